// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Hostile clients. After each case the server is alive, has not grown, and serves a good client from a clean state.

use std::path::Path;

use integration_tests::raw::{RawClient, words};
use integration_tests::served::Served;

mod conversation;
mod floods;
mod framing;
mod handshake;
mod interrupts;
mod memory;
mod requests;

const EINVAL: u32 = 22;
const EACCES: u32 = 13;
const E2BIG: u32 = 7;
const ENOSPC: u32 = 28;
const EOPNOTSUPP: u32 = 95;

fn start() -> Served {
    let program = Path::new(env!("CARGO_BIN_EXE_server-under-test"));
    Served::start(program, &["a", "b"], "").unwrap()
}

/// Runs a case against a server of its own and looks at what is left.
fn hostile(case: impl FnOnce(&Served)) {
    let mut served = start();
    case(&served);
    served.check(&["a", "b"]).unwrap();
}

fn connect(served: &Served) -> RawClient {
    RawClient::connect(&served.socket("a")).unwrap()
}

fn negotiated(served: &Served) -> RawClient {
    RawClient::negotiated(&served.socket("a")).unwrap()
}

/// The next message of the connection is understood: nothing of the one before is left in the stream.
fn in_step(client: &mut RawClient) {
    let info = client.call(4, &words(&[16, 0, 0, 0])).unwrap();
    assert_eq!(info.payload, words(&[16, 3, 9, 5]));
}

fn refused(client: &mut RawClient, command: u16, payload: &[u8], errno: u32) {
    let reply = client.call(command, payload).unwrap();
    assert_eq!(reply.errno(), Some(errno), "command {command}: {reply:?}");
    in_step(client);
}
