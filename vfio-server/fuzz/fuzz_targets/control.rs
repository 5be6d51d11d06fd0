// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any bytes as the input of a control client: framed, parsed, and carried out on two models in this process.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use vfio_server::client::device::Device;
use vfio_server::control::commands::{self, Context};
use vfio_server::control::framing::{Framer, MAX_MESSAGE};
use vfio_server::control::qmp;
use vfio_server::function::Function;
use vfio_server::host::{Host, Run};
use vfio_server::sync::Mutex;

static CONTEXT: LazyLock<Context> = LazyLock::new(|| {
    let run = Arc::new(Run::new(Default::default()));
    let devices = ["a", "b"].map(|name| {
        let host = Host::new(name.into(), Arc::clone(&run), 17);
        let function = Function::new(&Default::default(), Default::default(), host).expect("default model");
        Device {
            name: name.into(),
            socket: name.into(),
            function: Arc::new(Mutex::new(function)),
        }
    });
    Context::new(&devices).expect("two models")
});

fuzz_target!(|bytes: &[u8]| {
    let mut framer = Framer::default();
    let mut rest = bytes;
    while let Some(found) = framer.next(&mut rest) {
        assert!(framer.kept() <= MAX_MESSAGE);
        let Ok(message) = found else { continue };
        let (id, request) = qmp::parse(&message);
        let result = request.and_then(|request| match commands::find(&request.execute) {
            // Makes files.
            Some(command) if matches!(command.name, "trace-start" | "trace-save") => Ok(Default::default()),
            Some(command) => (command.run)(&CONTEXT, request.arguments),
            None => Err(qmp::Error::not_found("no such command")),
        });
        let answer = qmp::answer(id, result).to_string();
        assert!(serde_json::from_str::<serde_json::Value>(&answer).is_ok());
    }
});
