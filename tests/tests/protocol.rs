// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Service to a client that keeps to the protocol: one test per kind of message, over a real socket to a real process.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use integration_tests::raw::{NO_REPLY, RawClient, access, message, words};
use integration_tests::served::{MSIX, Served, raised, region, registers, wait_raised};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::Signal;

fn serve(smmus: &[&str], more: &str) -> Served {
    Served::start(Path::new(env!("CARGO_BIN_EXE_server-under-test")), smmus, more).unwrap()
}

fn client(served: &Served) -> RawClient {
    RawClient::negotiated(&served.socket("a")).unwrap()
}

const EINVAL: u32 = 22;
const EEXIST: u32 = 17;
const ENOENT: u32 = 2;

#[test]
fn vfio_user_client_is_served_again_and_again() {
    let mut served = serve(&["a", "b"], "");
    for _ in 0..5 {
        served.check(&["a", "b"]).unwrap();
    }
}

#[test]
fn version_offers_what_qemu_can_use() {
    let served = serve(&["a"], "");
    let mut client = RawClient::connect(&served.socket("a")).unwrap();
    // What QEMU 11.1.3 sends.
    let json = concat!(
        r#"{"capabilities":{"pgsizes":4096,"max_msg_fds":16,"max_dma_maps":65535,"#,
        r#""max_data_xfer_size":1048576,"migration":{"max_bitmap_size":268435456,"pgsize":4096},"#,
        r#""write_multiple":true}}"#,
    )
    .as_bytes();
    let reply = client.call(1, &[&[0; 4], json, b"\0"].concat()).unwrap();
    assert!(reply.is_ok());
    let (version, json) = reply.payload.split_at(4);
    assert_eq!(version, [0; 4], "minor 1 is too new for QEMU");
    let (nul, json) = json.split_last().unwrap();
    assert_eq!(*nul, 0);
    let offered: serde_json::Value = serde_json::from_slice(json).unwrap();
    let capabilities = &offered["capabilities"];
    assert!(
        (8..=16).contains(&capabilities["max_msg_fds"].as_u64().unwrap()),
        "QEMU refuses more than 16"
    );
    assert_eq!(capabilities["write_multiple"], true);
    assert_eq!(capabilities["max_data_xfer_size"], 1 << 20);
    assert_eq!(capabilities["pgsizes"].as_u64().unwrap() % 4096, 0);
    assert!(capabilities["max_dma_maps"].as_u64().unwrap() <= 65535);
    for absent in ["migration", "twin_socket"] {
        assert!(
            capabilities.get(absent).is_none(),
            "{absent} is not there and must not be offered"
        );
    }
}

#[test]
fn the_device_is_a_pci_function_with_msix_alone() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    let info = client.call(4, &words(&[16, 0, 0, 0])).unwrap();
    assert_eq!(
        info.payload,
        words(&[16, 1 | 2, 9, 5]),
        "reset and PCI flags, 9 regions, 5 kinds of interrupts"
    );
    let banks = client.read32(region::BAR0, registers::IDR1).unwrap() & 0xff;
    for index in 0..5 {
        let reply = client.call(7, &words(&[16, 0, index, 0])).unwrap();
        match index {
            MSIX => assert_eq!(
                reply.payload,
                words(&[16, 1, MSIX, banks + 1]),
                "eventfd flag, a vector per line"
            ),
            // As Linux answers for a function that is not PCI Express; QEMU then does not warn.
            3 => assert_eq!(reply.errno(), Some(EINVAL)),
            _ => assert_eq!(reply.payload, words(&[16, 1, index, 0]), "no interrupt {index}"),
        }
    }
    assert_eq!(
        client.call(7, &words(&[16, 0, 5, 0])).unwrap().errno(),
        Some(EINVAL)
    );
}

#[test]
fn replies_say_how_long_they_are_whatever_room_there_is() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    for (command, size, index) in [(4, 16_u32, 0), (5, 32, region::BAR0), (7, 16, MSIX)] {
        let mut ask = |argsz: u32| {
            let mut request = words(&[argsz, 0, index, 0, 0, 0, 0, 0]);
            request.truncate(size as usize);
            client.call(command, &request).unwrap()
        };
        assert_eq!(ask(size - 1).errno(), Some(EINVAL), "command {command}");
        let reply = ask(size);
        assert_eq!(reply.payload.len(), size as usize);
        assert_eq!(reply.payload[..4], size.to_ne_bytes(), "command {command}");
        assert_eq!(ask(size + 64).payload, reply.payload, "command {command}");
    }
}

#[test]
fn kinds_of_interrupts_without_one_can_be_disabled_and_nothing_else() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    for index in [0, 1, 3, 4] {
        let mut set = |flags: u32, start, count| {
            let reply = client.call(8, &words(&[20, flags, index, start, count])).unwrap();
            reply.is_ok()
        };
        assert!(set(0x21, 0, 0), "disable {index}");
        assert!(!set(0x21, 0, 1), "trigger {index}");
        assert!(!set(0x24, 0, 1), "assign {index}");
        assert!(!set(0x09, 0, 1), "mask {index}");
    }
}

#[test]
fn regions_can_be_read_and_written_and_not_mapped() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    for index in 0..9 {
        let reply = client.call(5, &words(&[32, 0, index, 0, 0, 0, 0, 0])).unwrap();
        let size = match index {
            region::BAR2 => 64 << 10,
            region::BAR4 => 8192,
            region::CONFIG => 256,
            region::BAR0 => u32::from_ne_bytes(reply.payload[16..20].try_into().unwrap()),
            _ => 0,
        };
        let flags = if size == 0 { 0 } else { 3 };
        assert_eq!(
            reply.payload,
            words(&[32, flags, index, 0, size, 0, 0, 0]),
            "region {index}"
        );
    }
    assert_eq!(
        client
            .call(5, &words(&[32, 0, 9, 0, 0, 0, 0, 0]))
            .unwrap()
            .errno(),
        Some(EINVAL)
    );
}

#[test]
fn registers_take_every_width_of_the_bus() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    client
        .write32(region::BAR0, registers::SMR0, 0x8001_0002)
        .unwrap();
    client
        .write32(region::BAR0, registers::SMR0 + 4, 0x8003_0004)
        .unwrap();
    assert_eq!(client.read32(region::BAR0, registers::SMR0).unwrap(), 0x8001_0002);
    for width in [1, 2, 3, 4, 8, 16, 4096] {
        let reply = client
            .call(9, &access(region::BAR0, registers::SMR0, width))
            .unwrap();
        assert!(reply.is_ok());
        assert_eq!(reply.payload[..16], access(region::BAR0, registers::SMR0, width));
        assert_eq!(reply.payload.len(), 16 + width as usize);
    }
}

#[test]
fn posted_writes_are_in_order_and_unanswered() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    for value in 0..1000_u32 {
        let payload = [
            access(region::BAR0, registers::SMR0, 4),
            (value & 0x7fff).to_le_bytes().to_vec(),
        ]
        .concat();
        client.send(&message(7, 10, NO_REPLY, &payload)).unwrap();
    }
    assert_eq!(client.read32(region::BAR0, registers::SMR0).unwrap(), 999);
}

#[test]
fn write_multi_writes_in_order() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    let one = |offset: u64, value: u32| [access(region::BAR0, offset, 4), words(&[value, 0])].concat();
    let writes: Vec<_> = (0..200)
        .map(|i| one(registers::SMR0 + 4 * (i % 4), u32::try_from(i).unwrap()))
        .collect();
    let payload = [200_u64.to_ne_bytes().to_vec(), writes.concat()].concat();
    client.send(&message(3, 15, NO_REPLY, &payload)).unwrap();
    assert_eq!(client.read32(region::BAR0, registers::SMR0).unwrap(), 196);
    assert_eq!(client.read32(region::BAR0, registers::SMR0 + 12).unwrap(), 199);
    let reply = client
        .call(
            15,
            &[1_u64.to_ne_bytes().to_vec(), one(registers::SMR0, 5)].concat(),
        )
        .unwrap();
    assert_eq!(reply.payload, 1_u64.to_ne_bytes());
    let bad = [
        2_u64.to_ne_bytes().to_vec(),
        one(registers::SMR0, 6),
        one(1 << 40, 7),
    ]
    .concat();
    assert_eq!(client.call(15, &bad).unwrap().errno(), Some(EINVAL));
    assert_eq!(
        client.read32(region::BAR0, registers::SMR0).unwrap(),
        6,
        "those before the bad one count"
    );
}

#[test]
fn memory_comes_and_goes() {
    let mut served = serve(&["a"], "");
    let mut client = client(&served);
    let memory = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&memory, 8 << 12).unwrap();
    let map = |page: u32, pages: u32| words(&[32, 3, 0, 0, page << 12, 0, pages << 12, 0]);
    let unmap = |flags: u32, page: u32, pages: u32| words(&[24, flags, page << 12, 0, pages << 12, 0]);
    let fds = [memory.as_fd()];
    assert!(client.call_with_fds(2, &map(16, 8), &fds).unwrap().is_ok());
    assert!(client.call_with_fds(2, &map(24, 1), &fds).unwrap().is_ok());
    assert_eq!(served.mapped_memfds().unwrap(), 2);
    assert_eq!(
        client.call_with_fds(2, &map(23, 1), &fds).unwrap().errno(),
        Some(EEXIST)
    );
    assert_eq!(
        client.call_with_fds(2, &map(32, 9), &fds).unwrap().errno(),
        Some(EINVAL),
        "beyond the file"
    );
    assert_eq!(client.call(3, &unmap(0, 64, 1)).unwrap().errno(), Some(ENOENT));
    let reply = client.call(3, &unmap(0, 16, 8)).unwrap();
    assert_eq!(reply.payload, unmap(0, 16, 8));
    assert_eq!(served.mapped_memfds().unwrap(), 1);
    assert!(client.call(3, &unmap(2, 0, 0)).unwrap().is_ok());
    assert_eq!(served.mapped_memfds().unwrap(), 0);
    assert!(client.call_with_fds(2, &map(16, 8), &fds).unwrap().is_ok());
    drop(client);
    served.check(&["a"]).unwrap();
}

#[test]
fn memory_without_a_descriptor_is_refused_with_the_option_to_use() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    let reply = client
        .call(2, &words(&[32, 3, 0, 0, 0x4000_0000, 0, 4096, 0]))
        .unwrap();
    assert_eq!(reply.errno(), Some(EINVAL));
    assert!(
        served
            .log()
            .contains("memory-backend-memfd,id=ram,size=…,share=on"),
        "{}",
        served.log()
    );
}

#[test]
fn interrupts_reach_the_eventfd_of_their_vector() {
    let served = serve(&["a"], "");
    let mut client = client(&served);
    let events: Vec<_> = (0..16)
        .map(|_| eventfd(0, EventfdFlags::NONBLOCK).unwrap())
        .collect();
    let fds: Vec<_> = events.iter().map(AsFd::as_fd).collect();
    // As QEMU does it: nothing at first, then all off, then eventfds, as many as one message takes.
    assert!(client.call(8, &words(&[20, 0x24, MSIX, 0, 1])).unwrap().is_ok());
    assert!(client.call(8, &words(&[20, 0x21, MSIX, 0, 0])).unwrap().is_ok());
    assert!(
        client
            .call_with_fds(8, &words(&[20, 0x24, MSIX, 0, 16]), &fds)
            .unwrap()
            .is_ok()
    );
    let counts = |client: &mut RawClient| {
        // Vectors are raised in order: what comes before the last one has come.
        assert!(client.call(8, &words(&[20, 0x21, MSIX, 15, 1])).unwrap().is_ok());
        assert_eq!(wait_raised(&events[15]).unwrap(), 1);
        events[..15]
            .iter()
            .map(|event| raised(event).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&mut client), [0; 15]);
    // A loopback test of vectors 3 and 4.
    assert!(client.call(8, &words(&[20, 0x21, MSIX, 3, 2])).unwrap().is_ok());
    assert_eq!(counts(&mut client), [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The same of vectors 5 and 7, chosen from three.
    let chosen = [words(&[23, 0x22, MSIX, 5, 3]), vec![1, 0, 1]].concat();
    assert!(client.call(8, &chosen).unwrap().is_ok());
    assert_eq!(counts(&mut client), [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // A global fault.
    client.write32(region::BAR0, registers::SGFSRRESTORE, 2).unwrap();
    assert_eq!(counts(&mut client), [0; 15], "not enabled");
    client
        .write32(region::BAR0, registers::SCR0, registers::SCR0_GFIE)
        .unwrap();
    let global = counts(&mut client);
    assert!(global[0] > 0 && global[1..] == [0; 14], "{global:?}");
    // Off: the line stays high and shows as pending.
    assert!(client.call(8, &words(&[20, 0x21, MSIX, 0, 0])).unwrap().is_ok());
    assert_eq!(client.read32(region::BAR4, 0x1000).unwrap(), 1);
    // On again: the line is still high, so the vector is raised.
    assert!(
        client
            .call_with_fds(8, &words(&[20, 0x24, MSIX, 0, 16]), &fds)
            .unwrap()
            .is_ok()
    );
    assert_eq!(counts(&mut client)[0], 1);
    client.write32(region::BAR0, registers::SGFSR, 2).unwrap();
    assert_eq!(client.read32(region::BAR0, registers::SGFSR).unwrap(), 0);
    assert_eq!(counts(&mut client), [0; 15], "a line that falls is no edge");
}

/// A handler that forgets to clear the cause is called again, without an access in between.
#[test]
fn a_line_that_is_a_level_is_raised_until_it_is_low() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("b");
    let more = format!("[[smmu]]\nname = \"b\"\nsocket = {socket:?}\ninterrupts = \"level\"\n");
    let _served = serve(&["a"], &more);
    let mut client = RawClient::negotiated(&socket).unwrap();
    let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    let assign = words(&[20, 0x24, MSIX, 0, 1]);
    assert!(
        client
            .call_with_fds(8, &assign, &[event.as_fd()])
            .unwrap()
            .is_ok()
    );
    client
        .write32(region::BAR0, registers::SCR0, registers::SCR0_GFIE)
        .unwrap();
    client.write32(region::BAR0, registers::SGFSRRESTORE, 2).unwrap();
    for _ in 0..5 {
        assert!(wait_raised(&event).unwrap() > 0);
    }
    client.write32(region::BAR0, registers::SGFSR, 2).unwrap();
    assert_eq!(client.read32(region::BAR0, registers::SGFSR).unwrap(), 0);
}

#[test]
fn one_mark_page_serves_all_smmus() {
    let more =
        "[[mark]]\nname = \"second\"\nsmmu = \"b\"\nregister = \"SMRn\"\naccess = \"write\"\nnth = 3\n";
    let served = serve(&["a", "b"], more);
    let mut a = RawClient::negotiated(&served.socket("a")).unwrap();
    let mut b = RawClient::negotiated(&served.socket("b")).unwrap();
    a.write32(region::BAR2, 0, 1).unwrap();
    assert_eq!(
        b.read32(region::BAR2, 0).unwrap(),
        1,
        "raised by the guest through another SMMU"
    );
    for i in 0..3 {
        assert_eq!(a.read32(region::BAR2, 4).unwrap(), 0, "after {i} writes");
        a.write32(region::BAR0, registers::SMR0, 0).unwrap();
        b.write32(region::BAR0, registers::SMR0 + 4 * i, 0).unwrap();
    }
    assert_eq!(a.read32(region::BAR2, 4).unwrap(), 1);
    // The run ends with its last client.
    drop(a);
    assert_eq!(b.read32(region::BAR2, 4).unwrap(), 1);
}

#[test]
fn every_access_is_in_the_trace_when_the_server_is_told_to_end() {
    let mut served = serve(&["a"], "");
    let mut client = client(&served);
    client.read32(region::BAR0, registers::IDR0).unwrap();
    client.write32(region::BAR0, registers::SMR0 + 20, 0x17).unwrap();
    client.read32(region::BAR2, 0).unwrap();
    let status = served.signal(Signal::TERM).unwrap();
    served.is_clean(status).unwrap();
    let text = std::fs::read_to_string(served.directory().join("a.ndjson")).unwrap();
    let lines = vfio_server::trace::parse(&text).unwrap();
    let accesses: Vec<_> = lines.iter().filter_map(|line| line.access()).collect();
    let seen: Vec<_> = accesses
        .iter()
        .map(|(_, register)| {
            (
                &*register.register,
                register.index,
                register.offset,
                register.width,
            )
        })
        .collect();
    assert_eq!(seen, [("IDR0", 0, 0x20, 4), ("SMRn", 5, 0x814, 4)]);
    assert_eq!(accesses[1].1.value, 0x17);
    assert!(lines.iter().is_sorted_by_key(|line| line.ns));
}

#[test]
fn the_server_ends_cleanly_however_it_is_told_to() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut served = serve(&["a", "b"], "");
        let mut silent = client(&served);
        let status = served.signal(signal).unwrap();
        served.is_clean(status).unwrap();
        assert!(
            !served.socket("a").exists() && !served.socket("b").exists(),
            "{signal:?}"
        );
        assert!(silent.is_ended().unwrap());
    }
    let mut served = serve(&["a"], "");
    let _silent = client(&served);
    let status = served.hang_up().unwrap();
    served.is_clean(status).unwrap();
    assert!(!served.socket("a").exists());
}

#[test]
fn the_socket_of_a_killed_server_is_replaced_and_that_of_a_live_one_is_not() {
    let mut served = serve(&["a"], "");
    let config = served.directory().join("smmu.toml");
    let run = || {
        std::process::Command::new(env!("CARGO_BIN_EXE_server-under-test"))
            .args(["--exit-with-stdin", "--config"])
            .arg(&config)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    };
    let second = run();
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(
        error.contains("another process serves") && error.contains("/a:"),
        "{error}"
    );
    served.check(&["a"]).unwrap();
    served.signal(Signal::KILL).unwrap();
    assert!(served.socket("a").exists());
    let third = run();
    assert_eq!(
        (third.status.code(), third.stdout.as_slice()),
        (Some(0), b"ready\n".as_slice())
    );
    assert!(!served.socket("a").exists());
}

#[test]
fn usage_and_configuration_errors_end_with_2() {
    let run = |args: &[&str]| {
        let program = env!("CARGO_BIN_EXE_server-under-test");
        std::process::Command::new(program).args(args).output().unwrap()
    };
    assert_eq!(run(&["--no-such-option"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("smmu.toml");
    std::fs::write(
        &path,
        "[[smmu]]\nname = \"a\"\nsocket = \"s\"\n[smmu.model]\ncontext_bank = 3\n",
    )
    .unwrap();
    let output = run(&["--check-config", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("smmu.toml: TOML parse error at line 5") && error.contains("context_bank"),
        "{error}"
    );
}

/// A limit per connection is none: a client that comes again and again would fill the log, and the disk behind it.
#[test]
fn clients_that_come_again_share_one_limit_of_the_log() {
    let mut served = serve(&["a"], "");
    let begin = Instant::now();
    for _ in 0..60 {
        let mut client = UnixStream::connect(served.socket("a")).unwrap();
        // The size of a message is more than any has.
        client.write_all(&[0xff; 16]).unwrap();
        // It is ended for that.
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
    }
    served.check(&["a"]).unwrap();
    let lines = served.log().matches("ended the client").count();
    // One more in ten seconds.
    let most = 21 + usize::try_from(begin.elapsed().as_secs() / 10).unwrap();
    assert!((1..=most).contains(&lines), "{lines} lines:\n{}", served.log());
}
