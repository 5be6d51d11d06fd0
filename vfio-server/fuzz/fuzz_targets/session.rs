// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any bytes after a handshake, through the gate, the crate behind it and the model, in this process.

#![no_main]

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use vfio_server::client::gate;
use vfio_server::function::Function;
use vfio_server::host::{Host, Run};
use vfio_server::sync::Mutex;

static FUNCTION: LazyLock<Arc<Mutex<Function>>> = LazyLock::new(|| {
    let host = Host::new("a".into(), Arc::new(Run::new(Default::default())), 17);
    Arc::new(Mutex::new(
        Function::new(&Default::default(), Default::default(), host).expect("default model"),
    ))
});
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| tempfile::tempdir().expect("directory").keep());

const VERSION: [u8; 20] = [1, 0, 1, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fuzz_target!(|bytes: &[u8]| {
    let (mut client, server) = UnixStream::pair().expect("socket pair");
    // Inputs are small and fit into the socket's buffer; what is answered need not.
    client.write_all(&VERSION).expect("send");
    client.write_all(bytes).expect("send");
    client.shutdown(Shutdown::Write).expect("shutdown");
    let replies = std::thread::spawn(move || io::copy(&mut client, &mut io::sink()));
    let _ = gate::serve(&server, &FUNCTION, &DIRECTORY);
    drop(server);
    let _ = replies.join();
    FUNCTION.lock().disconnect();
});
