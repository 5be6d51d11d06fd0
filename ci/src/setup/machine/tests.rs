// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::path::{Path, PathBuf};

use host_guard::program::Program;

use super::{Backing, Files, Guest, program};
use crate::boot::accel::Accel;
use crate::recipe::Recipe;
use crate::setup::needs::Present;
use crate::setup::qemu::Qemu;

fn recipe() -> Recipe {
    crate::recipe::shipped("boot").unwrap().recipe().unwrap()
}

fn command(backing: Backing<'_>) -> String {
    command_with(Accel::Tcg, None, backing)
}

fn command_with(accel: Accel, trace: Option<PathBuf>, backing: Backing<'_>) -> String {
    let recipe = recipe();
    let qemu = Qemu {
        program: Program {
            path: "/ld.so".into(),
            args: vec!["--library-path".into(), "/lib".into(), "/qemu".into()],
            ..Program::default()
        },
        version: "11.1.3".into(),
        source: "test".into(),
    };
    let guest = Guest {
        accel,
        image: "/cache/a,b/Image".into(),
        modules: None,
        present: Present::default(),
        tools: Vec::new(),
        busybox: "/busybox".into(),
        release: "7".into(),
        trace,
    };
    let files = Files {
        shim: "/run/shim".into(),
        device_tree: "/run/dtb".into(),
        initramfs: "/run/initramfs".into(),
    };
    let program = program(&qemu, &recipe, &recipe.layout().unwrap(), &guest, &files, backing);
    let mut text = program.path.display().to_string();
    for arg in program.args {
        let arg = arg.to_string_lossy().into_owned();
        text.push_str(if arg.starts_with('-') { "\n" } else { " " });
        text.push_str(&arg);
    }
    text
}

#[test]
fn the_command_line() {
    insta::assert_snapshot!(command(Backing::Server {
        sockets: Path::new("/run/it's")
    }));
}

/// The port of a guest's trace comes after that of the console.
#[test]
fn the_command_line_with_a_trace() {
    let text = command_with(Accel::Tcg, Some("/run/a,b".into()), Backing::None);
    assert!(
        text.contains("\n-serial stdio\n-chardev file,id=trace,path=/run/a,,b\n-serial chardev:trace\n"),
        "{text}"
    );
}

/// Nothing in the command line of a deterministic boot takes the host's time or its random numbers.
#[test]
fn the_command_line_of_a_deterministic_boot() {
    let sockets = Backing::Server {
        sockets: Path::new("/run"),
    };
    let [usual, equal] = [Accel::Tcg, Accel::Icount].map(|accel| command_with(accel, None, sockets));
    let changed: Vec<&str> = equal.lines().filter(|line| !usual.contains(line)).collect();
    insta::assert_snapshot!(changed.join("\n"));
}

#[test]
fn without_a_server_there_is_no_device_for_it() {
    let with = command(Backing::Server {
        sockets: Path::new("/run"),
    });
    let without = command(Backing::None);
    assert!(with.contains("vfio-user-pci") && !without.contains("vfio-user-pci"));
}
