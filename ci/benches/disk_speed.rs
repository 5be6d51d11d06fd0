// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Read speed of our disk behind the SMMU, against QEMU's own virtio-blk-device without one: both in one guest,
//! in turns, each with a file of random data in tmpfs. Prints the median of the ratios; the project promises 0.9 for
//! sequential reads of 1 MiB, and 0.8 for random ones of 4 KiB.
//!
//! `cargo bench -p boot-stress --bench disk_speed -- --rounds 9 [--cmdline iommu.strict=0]`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use boot_stress::boot::outcome::{BootReport, Outcome};
use boot_stress::boot::run::BootRunner;
use boot_stress::boot::rundir::RunDir;
use boot_stress::recipe::{Action, Image, Recipe, Start};
use boot_stress::reproduce::limits;
use boot_stress::setup::environment::Choice;
use boot_stress::setup::machine::{Backing, Files, program};
use host_guard::confine::Places;
use vfio_server::config::Kind;

/// In it both disks have their files.
const TMPFS: &str = "/dev/shm";
const SIZE_MIB: u32 = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let rounds: usize = after("--rounds").map_or(Ok(9), |number| number.parse())?;
    let mut recipe = Recipe::parse(include_str!("disk_speed.toml"), "disk_speed.toml")?;
    recipe.cmdline.extend(after("--cmdline").cloned());
    let choice = Choice {
        kernel: after("--kernel").map(Into::into),
        tools: recipe.tools.clone(),
        ..Choice::default()
    };
    let environment = choice.resolve(Arc::from(guest_images::packages::progress::on_stderr()))?;
    let tmpfs = tempfile::tempdir_in(TMPFS)?;
    for name in ["ours.img", "qemu.img"] {
        let image = Image {
            name: name.to_owned(),
            size_mib: SIZE_MIB,
            seed: Some(1),
        };
        image.make(tmpfs.path())?;
    }
    for master in recipe.smmus.iter_mut().flat_map(|smmu| &mut smmu.masters) {
        if let Kind::VirtioBlk(disk) = &mut master.kind {
            disk.image = tmpfs.path().join("ours.img");
        }
    }
    for step in &mut recipe.steps {
        if let Action::Run { commands, .. } = &mut step.action {
            *commands = commands.replace("ROUNDS", &rounds.to_string());
        }
    }
    println!(
        "kernel {} with {:?}, QEMU {}",
        environment.guest.release, recipe.cmdline, environment.qemu.version
    );

    let dir = RunDir::create()?;
    let layout = recipe.layout()?;
    let files = Files::generate(dir.path(), &recipe, &layout, &environment.guest, Start::Cold)?;
    let backing = Backing::Server { sockets: dir.path() };
    let mut qemu = program(
        &environment.qemu,
        &recipe,
        &layout,
        &environment.guest,
        &files,
        backing,
    );
    // In the place of the device that makes a transport bind.
    let file = tmpfs.path().join("qemu.img");
    let drive = format!("if=none,id=qemu,format=raw,file={}", file.display());
    for argument in &mut qemu.args {
        let text = argument.to_string_lossy();
        if let Some(bus) = text.strip_prefix("virtio-rng-device,") {
            *argument = format!("virtio-blk-device,drive=qemu,num-queues=1,{bus}").into();
        }
    }
    for argument in ["-drive", &drive, "-global", "virtio-mmio.force-legacy=false"] {
        qemu.args.push(argument.into());
    }
    let bench = BootRunner {
        helper: Path::new(env!("CARGO_BIN_EXE_boot-stress")),
        dir: &dir,
        recipe: &recipe,
        qemu,
        server: true,
        trace: None,
        allowed: Places::anywhere(),
        server_args: Vec::new(),
        limits: limits(&recipe, None),
        deterministic: false,
        stop: Arc::default(),
    };
    let console = tmpfs.path().join("console");
    let report = bench.boot(1, Some(&console), &mut |step| eprintln!("{step}"))?;
    if report.outcome != Outcome::AsExpected {
        return Err(format!("{:?}: {}", report.outcome, report.tail.join("\n")).into());
    }
    for (name, goal) in [
        ("sequential", "0.9"),
        ("sequential-large-folios", "none"),
        ("random", "0.8"),
        ("random-by-four", "none"),
    ] {
        let ours = speeds(&report, name, "ours");
        let theirs = speeds(&report, name, "qemu");
        let ratios: Vec<f64> = ours
            .iter()
            .zip(&theirs)
            .map(|(ours, theirs)| ours / theirs)
            .collect();
        println!(
            "{name}: ours {:.1} MB/s, QEMU's {:.1} MB/s; ratios {:.2?}, median {:.3}, goal {goal}",
            median(&ours) / 1e6,
            median(&theirs) / 1e6,
            ratios,
            median(&ratios)
        );
    }
    Ok(())
}

/// The bytes per second of one kind of read from one disk.
fn speeds(report: &BootReport, kind: &str, disk: &str) -> Vec<f64> {
    let results = report.results.iter().filter(|result| result.name == kind);
    results
        .filter_map(|result| result.text.strip_prefix(disk)?.trim().parse().ok())
        .collect()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}
