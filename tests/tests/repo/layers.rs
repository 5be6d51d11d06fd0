// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Layers: every folder of a crate imports only folders below it, and no large group of files imports itself in a
//! circle.

use std::collections::BTreeSet;
use std::path::Path;

use crate::root;
use crate::sources::{Sources, Taken, cycles};

/// Files of one folder that may import each other in a circle.
const LARGEST_CYCLE: usize = 3;

/// Layers of a crate.
struct Crate {
    folder: &'static str,
    /// Modules below the root of the crate, from the lowest layer to the highest. Modules of one row may not use each
    /// other.
    layers: &'static [&'static [&'static str]],
}

const CRATES: [Crate; 4] = [
    Crate {
        folder: "smmu-emu",
        layers: &[
            &["arch"],
            &["spec"],
            &["config"],
            &["plan"],
            &["registers"],
            &["translate"],
            &["tlb"],
            &["host", "epoch"],
            &["device"],
            &["dma"],
            &["testing"],
        ],
    },
    Crate {
        folder: "vfio-server",
        layers: &[
            &["sync"],
            &["trace"],
            &["config"],
            &["host"],
            &["dma"],
            &["devices"],
            &["function"],
            &["client"],
            &["control"],
            &["cli"],
        ],
    },
    Crate {
        folder: "guest-images",
        layers: &[&["machine", "packages"], &["system"], &["cli"]],
    },
    Crate {
        folder: "ci",
        layers: &[
            &["recipe", "stats", "timeline"],
            &["boot"],
            &["report"],
            &["setup"],
            &["reproduce"],
            &["stress"],
            &["bisect", "shrink"],
            &["cli"],
        ],
    },
];

/// Name of the module below the root that a file belongs to; none for the root itself.
fn top(file: &Path) -> Option<String> {
    let first = file.components().next()?;
    let name = Path::new(first.as_os_str()).file_stem()?.to_str()?;
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

impl Crate {
    fn sources(&self) -> Sources {
        Sources::read(&root().join(self.folder).join("src"))
    }

    fn level(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|row| row.contains(&module))
    }

    /// Reason for which a name may not be taken, if so.
    fn objection(&self, name: &Taken) -> Option<String> {
        let (by, from) = (top(&name.by)?, top(&name.from)?);
        if by == from {
            return None;
        }
        let is_below = self.level(&from)? < self.level(&by)?;
        (!is_below).then(|| {
            format!(
                "{by} does not stand above {from}: {}/src/{} takes {} from {}",
                self.folder,
                name.by.display(),
                name.name,
                name.from.display()
            )
        })
    }
}

#[test]
fn folders_import_only_folders_below_them() {
    let mut objections = Vec::new();
    for one in CRATES.iter().filter(|one| !one.layers.is_empty()) {
        let sources = one.sources();
        let listed: BTreeSet<&str> = one.layers.concat().into_iter().collect();
        assert_eq!(
            sources.top_level(),
            listed,
            "{}/src: modules (left) and the layers of this test (right) differ",
            one.folder
        );
        let taken = sources.taken();
        assert!(taken.len() > 20, "{}: the sources were not read", one.folder);
        objections.extend(taken.iter().filter_map(|name| one.objection(name)));
    }
    assert!(
        objections.is_empty(),
        "arrows that point up:\n{}",
        objections.join("\n")
    );
}

#[test]
fn no_large_group_of_files_imports_itself_in_a_circle() {
    let mut found = Vec::new();
    for one in CRATES.iter().filter(|one| !one.layers.is_empty()) {
        for (files, names) in cycles(&one.sources().taken()) {
            if files.len() > LARGEST_CYCLE {
                let names = names.iter().map(|name| {
                    format!(
                        "  {} takes {} from {}",
                        name.by.display(),
                        name.name,
                        name.from.display()
                    )
                });
                let names = names.collect::<Vec<_>>().join("\n");
                found.push(format!(
                    "{}: {} files: {files:?}\n{names}",
                    one.folder,
                    files.len()
                ));
            }
        }
    }
    assert!(
        found.is_empty(),
        "circles of more than {LARGEST_CYCLE} files:\n{}",
        found.join("\n")
    );
}
