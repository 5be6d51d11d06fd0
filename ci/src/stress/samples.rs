// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Headers and boots for tests.

use std::collections::BTreeMap;
use std::path::Path;

use guest_images::machine::gic::Gic;

use super::class::Class;
use super::record::{Boot, CellPart, Header, SCHEMA, Session, Title};
use super::shard::Shard;
use super::stop::Stop;
use super::store::{Store, StoreError};
use crate::boot::accel::Accel;
use crate::recipe::{ExpectBoots, FindingKind, Start};
use crate::report::results::directory;

/// A recipe and its control on two kernels.
pub const RACE: [&str; 4] = [
    "race@debian:7.3.4",
    "race-control@debian:7.3.4",
    "race@debian:6.16.3",
    "race-control@debian:6.16.3",
];

/// A header with as many boots of cells of these names; those that end in `-control` are controls. A name may have a
/// kernel after `@`.
pub fn header(boots: u32, cells: &[&str]) -> Header {
    let cell = |name: &&str| {
        let (recipe, kernel) = name.split_once('@').unwrap_or((name, "debian:7.3.4"));
        let is_control = recipe.ends_with("-control");
        CellPart {
            key: format!("{recipe}@{kernel},smp=2"),
            recipe: recipe.to_owned(),
            change: None,
            recipe_sha256: "00".to_owned(),
            kernel: kernel.to_owned(),
            release: "7.3.4+deb13-arm64".to_owned(),
            image_sha256: "11".to_owned(),
            qemu: "11.1.3".to_owned(),
            accelerator: Accel::Tcg,
            cpus: 2,
            gic: Gic::V2,
            start: Start::Cold,
            expect_boots: if is_control {
                ExpectBoots::Every
            } else {
                ExpectBoots::Some
            },
            counted: if is_control {
                "not as expected: no late-probe warning"
            } else {
                "as expected: late-probe warning"
            }
            .to_owned(),
            delays: BTreeMap::new(),
        }
    };
    Header {
        schema: SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        name: "sample".to_owned(),
        matrix: "name = \"sample\"\n".to_owned(),
        seed: 7,
        boot_seed: None,
        boots,
        stop: Stop::default(),
        retries: 2,
        shards: vec![Shard::WHOLE],
        cells: cells.iter().map(cell).collect(),
        skipped: Vec::new(),
    }
}

/// A boot of cell number `cell` of a header.
pub fn boot(header: &Header, cell: usize, boot: u32, class: Class) -> Boot {
    let has_result = class != Class::Infra;
    Boot {
        cell: header.cells[cell].key.clone(),
        boot,
        attempt: 1,
        seed: u64::from(boot),
        start: Start::Cold,
        class,
        reason: (!matches!(class, Class::Hit | Class::Clean)).then(|| format!("reason of {class}")),
        titles: match class {
            Class::Hit => vec![title(FindingKind::LateProbe, "walk", false)],
            Class::OtherBug => vec![title(FindingKind::Oops, "amba_dma_configure", true)],
            _ => Vec::new(),
        },
        console_sha256: None,
        boot_ms: has_result.then_some(4000),
        total_ms: 6000,
        guests: 2,
        dir: (class == Class::Hit).then(|| format!("boots/cell-{cell}/{boot:06}.1")),
    }
}

fn title(kind: FindingKind, title: &str, other_bug: bool) -> Title {
    Title {
        kind,
        title: title.to_owned(),
        count: 1,
        other_bug,
    }
}

/// Writes results with boots of these classes of each cell, made at `time`, seconds since 1970.
///
/// # Errors
/// The directory cannot be written, or has results.
pub fn write(dir: &Path, header: &Header, time: u64, cells: &[Vec<Class>]) -> Result<(), StoreError> {
    let dir = directory(Some(dir), &header.name)?;
    let mut store = Store::create(dir, header)?;
    store.begin(Session {
        number: 0,
        time,
        host_cpus: 2,
        jobs: Some(2),
    })?;
    for (cell, classes) in cells.iter().enumerate() {
        let boots: Vec<Boot> = (1..)
            .zip(classes)
            .map(|(number, class)| boot(header, cell, number, *class))
            .collect();
        store.record_all(boots.iter())?;
    }
    Ok(())
}

/// Classes, each as often as its number says.
pub fn of(counts: &[(Class, usize)]) -> Vec<Class> {
    counts
        .iter()
        .flat_map(|(class, count)| vec![*class; *count])
        .collect()
}
