// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The control socket driven by PyPI's `qemu.qmp`, as QEMU's own tools do it: `QMPClient` and `qmp-shell`.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use integration_tests::python::Venv;
use integration_tests::raw::RawClient;
use integration_tests::served::{Served, region};

/// Starts a global TLB synchronisation.
const STLBGSYNC: u64 = 0x70;

/// Prints what it found; waits for a line before it looks for the event.
const SCRIPT: &str = r#"
import asyncio, sys
from qemu.qmp import QMPClient, ExecuteError

async def main():
    qmp = QMPClient('test')
    await qmp.connect(sys.argv[1])
    names = [c['name'] for c in await qmp.execute('query-commands')]
    assert 'delay-add' in names and 'query-status' in names, names
    status = await qmp.execute('query-status')
    assert status['running'] is True, status
    try:
        await qmp.execute('delay-add', {'smmu': 'a', 'site': 'nowhere'})
        raise AssertionError('refused')
    except ExecuteError as error:
        assert error.error_class == 'GenericError', error
    with qmp.listener('DELAY_FIRED') as fired:
        added = await qmp.execute('delay-add', {'smmu': 'a', 'site': 'global-sync', 'polls': 3})
        print('added', flush=True)
        event = await asyncio.wait_for(fired.get(), 60)
    assert event['data']['delay'] == added['delay'], (event, added)
    assert event['timestamp']['seconds'] > 1_700_000_000, event
    await qmp.disconnect()
    print('fired', flush=True)

asyncio.run(main())
"#;

#[test]
fn qemu_qmp_drives_the_control_socket() {
    let mut served =
        Served::controlled(Path::new(env!("CARGO_BIN_EXE_server-under-test")), &["a"], "").unwrap();
    let venv = Venv::new(served.directory(), &["qemu.qmp"]).unwrap();

    let mut client = venv
        .program("python")
        .args(["-c", SCRIPT])
        .arg(served.control())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(client.stdout.take().unwrap()));
    let next = |lines: &mut dyn Iterator<Item = std::io::Result<String>>| lines.next().map(Result::unwrap);
    assert_eq!(next(&mut lines).as_deref(), Some("added"));
    let mut guest = RawClient::negotiated(&served.socket("a")).unwrap();
    guest.write32(region::BAR0, STLBGSYNC, 0).unwrap();
    assert_eq!(next(&mut lines).as_deref(), Some("fired"));
    assert!(client.wait().unwrap().success());

    let mut shell = venv
        .program("qmp-shell")
        .arg(served.control())
        .env("HOME", served.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = b"query-commands\n\
        register-read smmu=a name=sCR0\n\
        delay-add smmu=a site=context-sync bank=1 time_us={\"min\":1,\"max\":50}\n\
        delay-list\n\
        mark-raise mark=guest\n\
        \n\
        no-such-command\n";
    shell.stdin.take().unwrap().write_all(typed).unwrap();
    let output = shell.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for expected in [
        "Connected to QEMU 0.1.0",
        "{\"name\": \"plan-load\"}",
        "\"clientpd\": true",
        "\"time_us\": {\"max\": 50, \"min\": 1}",
        "MARK_RAISED",
        "CommandNotFound",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    drop(guest);
    served.check(&["a"]).unwrap();
}
