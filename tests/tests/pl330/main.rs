// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A PL330 behind an SMMU, in a real server: microcode that a client writes into its memory, its data through the
//! tables of a context bank, and what becomes of faults, stalls and resets.

use std::path::Path;

use integration_tests::served::{Served, raised, wait_raised};

mod guest;

use guest::{CODE, Guest, LEVEL_3, PAGE, RAM, SOURCE, STREAM, TARGET, bank, physical, pl330};

fn serve() -> Served {
    let master = format!("[[smmu.master]]\nname = \"dma\"\nkind = \"pl330\"\nstream_id = {STREAM}\n");
    Served::start(
        Path::new(env!("CARGO_BIN_EXE_server-under-test")),
        &["b", "a"],
        &master,
    )
    .unwrap()
}

/// Linux's program for a memcpy of pages: 16-byte beats, bursts of 256 bytes, 16 of them a page.
fn memcpy(pages: u8) -> Vec<u8> {
    let mov = |register: u8, value: u32| [&[0xbc, register], value.to_le_bytes().as_slice()].concat();
    [
        mov(1, 0x00be_42f9),
        mov(0, SOURCE),
        mov(2, TARGET),
        // DMALP, DMALP, DMALD, DMAST, DMALPEND, DMALPEND; DMASEV 0; DMAEND
        vec![
            0x20,
            pages - 1,
            0x22,
            15,
            0x04,
            0x08,
            0x3c,
            2,
            0x38,
            6,
            0x34,
            0,
            0,
        ],
    ]
    .concat()
}

#[test]
fn a_memcpy_goes_through_the_smmu() {
    let mut served = serve();
    let mut guest = Guest::new(&served);
    for _ in 0..3 {
        let data = guest.map_all(16);
        guest.go(&memcpy(16));
        assert_eq!(wait_raised(&guest.interrupt).unwrap(), 1);
        assert_eq!(guest.read(pl330::RIS), 1);
        guest.write(pl330::INTCLR, 1);
        assert_eq!(guest.read(pl330::RIS), 0);
        guest.until(pl330::CSR0, 1 << 21);
        assert_eq!(guest.read(pl330::SAR0), SOURCE + 16 * PAGE);
        assert!(guest.target(16) == data);
        assert_eq!(
            (
                guest.bank(bank::FSR) & !bank::FORMAT,
                raised(&guest.context).unwrap()
            ),
            (0, 0)
        );
        for page in 0..16 {
            guest.write_ram(physical(TARGET + page * PAGE), &[0; PAGE as usize]);
        }
    }
    drop(guest);
    served.check(&["b"]).unwrap();
}

#[test]
fn a_hole_is_a_fault_of_both() {
    let served = serve();
    let mut guest = Guest::new(&served);
    let data = guest.map_all(4);
    // Nothing is there at all: the program itself.
    let unmap = |guest: &Guest, address: u32| {
        guest.write_ram(RAM + LEVEL_3 + address / PAGE * 8, &[0; 8]);
    };
    unmap(&guest, CODE);
    guest.go(&memcpy(4));
    assert_eq!(
        guest.fault(),
        (pl330::INSTR_FETCH_ERR, bank::TF, CODE, bank::PNU | bank::IND)
    );
    guest.kill();
    assert_eq!(guest.read(pl330::FSRC), 0);

    // Code that the unprivileged can write is not executed by the privileged.
    guest.map(CODE, true);
    guest.go(&memcpy(4));
    assert_eq!(
        guest.fault(),
        (pl330::INSTR_FETCH_ERR, bank::PF, CODE, bank::PNU | bank::IND)
    );
    guest.kill();

    for (hole, expected) in [
        (
            SOURCE + 2 * PAGE,
            (pl330::DATA_READ_ERR, bank::TF, SOURCE + 2 * PAGE, 0),
        ),
        (
            TARGET + 2 * PAGE,
            (pl330::DATA_WRITE_ERR, bank::TF, TARGET + 2 * PAGE, bank::WNR),
        ),
    ] {
        guest.map_all(4);
        unmap(&guest, hole);
        // TLBIALL.
        guest.smmu(guest.banks + 0x618, 0);
        guest.go(&memcpy(4));
        assert_eq!(guest.fault(), expected);
        assert!(
            guest.target(2) == data[..2 * PAGE as usize],
            "what comes before is copied"
        );
        assert_eq!(guest.read(pl330::RIS), 0, "no DMASEV");
        guest.kill();
    }
    // And it goes on.
    guest.map_all(4);
    guest.smmu(guest.banks + 0x618, 0);
    guest.go(&memcpy(4));
    wait_raised(&guest.interrupt).unwrap();
    assert!(guest.target(4) == data);
}

#[test]
fn a_stalled_access_waits_for_software() {
    let mut served = serve();
    let mut guest = Guest::new(&served);
    let data = guest.map_all(2);
    guest.smmu(guest.banks + bank::SCTLR, bank::ON | bank::CFCFG);
    guest.write_ram(RAM + LEVEL_3 + (SOURCE / PAGE + 1) * 8, &[0; 8]);
    guest.go(&memcpy(2));
    wait_raised(&guest.context).unwrap();
    assert_eq!(guest.bank(bank::FSR) & !bank::FORMAT, bank::SS | bank::TF);
    assert_eq!(guest.bank(bank::FAR), SOURCE + PAGE);
    // Registers answer meanwhile.
    assert_eq!(guest.read(pl330::FSRC), 0);
    assert_eq!(raised(&guest.interrupt).unwrap(), 0);
    guest.map(SOURCE + PAGE, true);
    guest.smmu(guest.banks + bank::FSR, u32::MAX);
    guest.smmu(guest.banks + bank::RESUME, 0);
    wait_raised(&guest.interrupt).unwrap();
    assert!(guest.target(2) == data);

    // A reset, and a client that leaves, give it up.
    guest.write(pl330::INTCLR, 1);
    guest.write_ram(RAM + LEVEL_3 + (TARGET / PAGE) * 8, &[0; 8]);
    guest.smmu(guest.banks + 0x618, 0);
    for reset in [true, false] {
        guest.go(&memcpy(2));
        wait_raised(&guest.context).unwrap();
        if !reset {
            break;
        }
        assert!(guest.client.call(13, &[]).unwrap().is_ok());
        assert_eq!((guest.read(pl330::CSR0), guest.read(pl330::DBGSTATUS)), (0, 0));
        assert_eq!(guest.read(pl330::SAR0), 0);
        assert_eq!(raised(&guest.interrupt).unwrap(), 0);
        guest.program_smmu();
        guest.smmu(guest.banks + bank::SCTLR, bank::ON | bank::CFCFG);
    }
    drop(guest);
    served.check(&["b"]).unwrap();
    let mut guest = Guest::new(&served);
    assert_eq!((guest.read(pl330::CSR0), guest.read(pl330::INTEN)), (0, 0));
    let data = guest.map_all(2);
    guest.go(&memcpy(2));
    wait_raised(&guest.interrupt).unwrap();
    assert!(guest.target(2) == data);
}

#[test]
fn a_program_without_end_holds_nothing_up() {
    let mut served = serve();
    // DMANOP and DMALPFE; then an endless copy of the same word.
    let copy = [&memcpy(1)[..18], &[0x04, 0x08, 0x28, 2]].concat();
    for program in [vec![0x18, 0x28, 1], fixed(copy)] {
        let mut guest = Guest::new(&served);
        guest.map_all(1);
        guest.go(&program);
        guest.until(pl330::CSR0, 1 << 21 | 1);
        // Each is answered within the patience of the client.
        for _ in 0..1000 {
            assert_eq!(guest.read(pl330::FSRC), 0);
        }
        guest.kill();
        guest.go(&program);
        guest.until(pl330::CSR0, 1 << 21 | 1);
        assert!(guest.client.call(13, &[]).unwrap().is_ok());
        assert_eq!(guest.read(pl330::CSR0), 0);
        guest.program_smmu();
        guest.go(&program);
        guest.until(pl330::CSR0, 1 << 21 | 1);
        drop(guest);
        served.check(&["b"]).unwrap();
    }
    let mut guest = Guest::new(&served);
    guest.map_all(1);
    guest.go(&[0x18, 0x28, 1]);
    guest.until(pl330::CSR0, 1 << 21 | 1);
    let status = served.hang_up().unwrap();
    served.is_clean(status).unwrap();
}

/// The program with addresses that stay.
fn fixed(mut program: Vec<u8>) -> Vec<u8> {
    program[2] &= !1;
    program[3] &= !(1 << 6);
    program
}
