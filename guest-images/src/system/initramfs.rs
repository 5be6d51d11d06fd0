// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The initramfs: busybox, an init script, and the modules that a run needs. The same input gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cpio::newc::{Builder, ModeFileType};
use host_guard::file;

use crate::system::modules::{ModuleTree, ModulesError, normal_name};

#[cfg(test)]
mod tests;

/// Busybox applets that get a name in `/bin`.
const APPLETS: &[&str] = &[
    "ash",
    "awk",
    "basename",
    "blkdiscard",
    "blockdev",
    "cat",
    "chmod",
    "chroot",
    "cp",
    "cut",
    "date",
    "dd",
    "devmem",
    "dirname",
    "dmesg",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "free",
    "fstrim",
    "fsync",
    "grep",
    "head",
    "hexdump",
    "insmod",
    "kill",
    "killall",
    "ln",
    "losetup",
    "ls",
    "lsmod",
    "mkdir",
    "mknod",
    "mount",
    "mv",
    "nproc",
    "od",
    "poweroff",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "reboot",
    "rm",
    "rmdir",
    "rmmod",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "switch_root",
    "sync",
    "tail",
    "taskset",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "truncate",
    "umount",
    "uname",
    "uniq",
    "usleep",
    "wc",
    "xargs",
    "yes",
];

/// Directories that are there even if nothing is in them.
const DIRECTORIES: &[&str] = &[
    "bin",
    "dev",
    "etc",
    "lib/modules/load",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
];

/// Device nodes: name under `/dev`, mode, major, minor.
const DEVICES: &[(&str, u32, u32, u32)] = &[
    ("console", 0o600, 5, 1),
    ("kmsg", 0o600, 1, 11),
    ("mem", 0o600, 1, 1),
    ("null", 0o666, 1, 3),
    ("tty", 0o666, 5, 0),
    ("ttyAMA0", 0o600, 204, 64),
    ("urandom", 0o666, 1, 9),
    ("zero", 0o666, 1, 5),
];

/// Largest file of the host that is packed; a static busybox has 2 MiB.
const MAX_FILE: u64 = 64 << 20;

/// Reason why an initramfs cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// A file of the host cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A module cannot be had.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// Modules are wanted, and the kernel was given without any.
    #[error("the run needs kernel modules ({0}), and the kernel was given without a modules directory")]
    NoModules(String),
    /// A file's place in the guest is not one.
    #[error("extra file {path:?}: {problem}")]
    Path {
        /// Path in the guest.
        path: String,
        /// Description of the problem.
        problem: &'static str,
    },
    /// The archive could not be written; files over 4 GiB do not fit.
    #[error("{name}: does not fit a newc archive: {source}")]
    Archive {
        /// Path in the guest.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// A file for the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFile {
    /// Path in the guest, with or without the leading `/`.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Contents.
    pub contents: Vec<u8>,
}

/// Parts of an initramfs.
#[derive(Debug)]
pub struct InitramfsSpec<'a> {
    /// A static busybox for arm64.
    pub busybox: &'a Path,
    /// `/init`: a script that starts with `#!/bin/sh`. Nothing is mounted when it starts.
    pub init: &'a str,
    /// The kernel's modules, `lib/modules/<release>`; may be absent if `modules` is empty.
    pub kernel_modules: Option<&'a Path>,
    /// The kernel's release, if it is known: modules of another one are refused.
    pub release: Option<&'a str>,
    /// Modules to bring, by name; what they depend on comes with them, ones built into the kernel are left out.
    pub modules: &'a [String],
    /// Modules that the kernel has built in, whatever its `modules.builtin` says.
    pub builtin: &'a BTreeSet<String>,
    /// Trees of programs with their libraries.
    pub tools: &'a [PathBuf],
    /// Further files.
    pub files: &'a [ExtraFile],
}

enum Node {
    Directory,
    File { mode: u32, contents: Vec<u8> },
    Link { target: String },
    Device { mode: u32, major: u32, minor: u32 },
}

/// Builds the archive, uncompressed (decompression by an emulated CPU costs more than reading the bytes).
///
/// Module `m` is `/lib/modules/m.ko`, and `/lib/modules/load/<name as given>` lists, one per line and in order, the
/// modules to insert for it; the list is empty for one that is built in.
///
/// # Errors
///
/// Files that cannot be read, modules that do not exist, extra files whose path leaves the root.
pub fn build(spec: &InitramfsSpec<'_>) -> Result<Vec<u8>, InitramfsError> {
    let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
    for name in DIRECTORIES {
        nodes.insert((*name).to_owned(), Node::Directory);
    }
    for (name, mode, major, minor) in DEVICES {
        let device = Node::Device {
            mode: *mode,
            major: *major,
            minor: *minor,
        };
        nodes.insert(format!("dev/{name}"), device);
    }
    let busybox = Node::File {
        mode: 0o755,
        contents: read(spec.busybox)?,
    };
    nodes.insert("bin/busybox".to_owned(), busybox);
    for applet in APPLETS {
        nodes.insert(
            format!("bin/{applet}"),
            Node::Link {
                target: "busybox".to_owned(),
            },
        );
    }
    nodes.insert(
        "init".to_owned(),
        Node::File {
            mode: 0o755,
            contents: spec.init.into(),
        },
    );
    add_modules(spec, &mut nodes)?;
    for tree in spec.tools {
        add_tree(tree, "", &mut nodes)?;
    }
    for file in spec.files {
        let path = guest_path(&file.path)?;
        let contents = file.contents.clone();
        nodes.insert(
            path,
            Node::File {
                mode: file.mode & 0o7777,
                contents,
            },
        );
    }
    add_parents(&mut nodes);
    write(&nodes)
}

fn read(path: &Path) -> Result<Vec<u8>, InitramfsError> {
    file::read(path, MAX_FILE).map_err(|source| InitramfsError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Adds what lies in the directory `below` of a tree of packages, in the order of the names.
fn add_tree(tree: &Path, below: &str, nodes: &mut BTreeMap<String, Node>) -> Result<(), InitramfsError> {
    let directory = tree.join(below);
    let error = |path: &Path| {
        let path = path.to_owned();
        move |source| InitramfsError::Io { path, source }
    };
    for entry in std::fs::read_dir(&directory).map_err(error(&directory))? {
        let entry = entry.map_err(error(&directory))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type().map_err(error(&entry.path()))?;
        if kind.is_dir() {
            add_tree(tree, &path, nodes)?;
            continue;
        }
        // Programs name their loader by its old path.
        if below == "usr/lib" {
            let target = format!("../{path}");
            nodes.insert(path.replacen("usr/", "", 1), Node::Link { target });
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(entry.path()).map_err(error(&entry.path()))?;
            let target = target.to_string_lossy().into_owned();
            nodes.insert(path, Node::Link { target });
        } else {
            let contents = read(&entry.path())?;
            let mode = if path.starts_with("etc/") { 0o644 } else { 0o755 };
            nodes.insert(path, Node::File { mode, contents });
        }
    }
    Ok(())
}

fn add_modules(spec: &InitramfsSpec<'_>, nodes: &mut BTreeMap<String, Node>) -> Result<(), InitramfsError> {
    if spec.modules.is_empty() {
        return Ok(());
    }
    let is_builtin = |name: &str| {
        spec.builtin
            .iter()
            .any(|other| normal_name(other) == normal_name(name))
    };
    let tree = match spec.kernel_modules {
        Some(tree) => Some(ModuleTree::open(tree, spec.release)?.with_builtin(spec.builtin)),
        None if spec.modules.iter().all(|name| is_builtin(name)) => None,
        None => return Err(InitramfsError::NoModules(spec.modules.join(", "))),
    };
    for name in spec.modules {
        let mut list = String::new();
        let modules = match &tree {
            Some(tree) => tree.closure(&[name])?,
            None => Vec::new(),
        };
        for module in modules {
            list.push_str(&module.name);
            list.push('\n');
            let file = Node::File {
                mode: 0o644,
                contents: module.contents,
            };
            nodes.insert(format!("lib/modules/{}.ko", module.name), file);
        }
        // Under both spellings, for scripts that use the other one.
        for spelling in [name.clone(), normal_name(name)] {
            let file = Node::File {
                mode: 0o644,
                contents: list.clone().into_bytes(),
            };
            nodes.insert(format!("lib/modules/load/{spelling}"), file);
        }
    }
    Ok(())
}

fn guest_path(path: &str) -> Result<String, InitramfsError> {
    let error = |problem| InitramfsError::Path {
        path: path.to_owned(),
        problem,
    };
    let relative = path.strip_prefix('/').unwrap_or(path);
    if relative.is_empty() || relative.contains('\0') {
        return Err(error("not a file name"));
    }
    if relative
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(error("empty parts, \".\" and \"..\" are not allowed"));
    }
    Ok(relative.to_owned())
}

fn add_parents(nodes: &mut BTreeMap<String, Node>) {
    let paths: Vec<String> = nodes.keys().cloned().collect();
    for path in paths {
        for (end, _) in path.match_indices('/') {
            let parent = path.get(..end).unwrap_or_default();
            nodes.entry(parent.to_owned()).or_insert(Node::Directory);
        }
    }
}

/// Directories sort before what is in them, as the kernel needs it.
fn write(nodes: &BTreeMap<String, Node>) -> Result<Vec<u8>, InitramfsError> {
    let mut archive = Vec::new();
    for ((name, node), inode) in nodes.iter().zip(1_u32..) {
        let header = Builder::new(name).ino(inode);
        let (header, contents): (Builder, &[u8]) = match node {
            Node::Directory => (
                header
                    .nlink(2)
                    .mode(0o755)
                    .set_mode_file_type(ModeFileType::Directory),
                &[],
            ),
            Node::File { mode, contents } => (
                header.mode(*mode).set_mode_file_type(ModeFileType::Regular),
                contents,
            ),
            Node::Link { target } => (
                header.mode(0o777).set_mode_file_type(ModeFileType::Symlink),
                target.as_bytes(),
            ),
            Node::Device { mode, major, minor } => {
                let header = header.rdev_major(*major).rdev_minor(*minor);
                (header.mode(*mode).set_mode_file_type(ModeFileType::Char), &[])
            }
        };
        let error = |source| InitramfsError::Archive {
            name: name.clone(),
            source,
        };
        let size = u32::try_from(contents.len()).map_err(|e| error(io::Error::other(e)))?;
        let mut entry = header.write(&mut archive, size);
        entry.write_all(contents).map_err(error)?;
        entry.finish().map_err(error)?;
    }
    let error = |source| InitramfsError::Archive {
        name: "end of archive".to_owned(),
        source,
    };
    cpio::newc::trailer(&mut archive).map_err(error)?;
    Ok(archive)
}
