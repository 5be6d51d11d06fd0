// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Cost of a boot with the server: the same kernel to the guest's first step, with an SMMU behind `vfio-server` and
//! without any, in turns. Prints the ratio of the medians; the project promises at most 1.05.
//!
//! `cargo bench -p boot-stress --bench boot_cost -- --pairs 5`

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use boot_stress::boot::run::BootRunner;
use boot_stress::boot::rundir::RunDir;
use boot_stress::recipe::{Recipe, Start, shipped};
use boot_stress::reproduce::limits;
use boot_stress::setup::environment::Choice;
use boot_stress::setup::machine::{Backing, Files, program};
use host_guard::confine::Places;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let pairs: usize = after("--pairs").map_or(Ok(5), |number| number.parse())?;
    let kernel = after("--kernel").map(Into::into);
    let choice = Choice {
        kernel,
        ..Choice::default()
    };
    let environment = choice.resolve(Arc::from(guest_images::packages::progress::on_stderr()))?;
    let with = shipped("boot").ok_or("no recipe boot")?.recipe()?;
    let mut without = with.clone();
    without.board.smmus.clear();
    without.smmus.clear();
    for client in &mut without.board.clients {
        client.iommus.clear();
    }
    // The steps wait for what an SMMU does; the boot is over before them.
    without.steps.clear();
    let helper = Path::new(env!("CARGO_BIN_EXE_boot-stress"));
    let boot = |recipe: &Recipe, server: bool| -> Result<u64, Box<dyn Error>> {
        let dir = RunDir::create()?;
        let layout = recipe.layout()?;
        let files = Files::generate(dir.path(), recipe, &layout, &environment.guest, Start::Cold)?;
        let backing = if server {
            Backing::Server { sockets: dir.path() }
        } else {
            Backing::None
        };
        let bench = BootRunner {
            helper,
            dir: &dir,
            recipe,
            qemu: program(
                &environment.qemu,
                recipe,
                &layout,
                &environment.guest,
                &files,
                backing,
            ),
            server,
            trace: None,
            allowed: Places::default(),
            server_args: Vec::new(),
            limits: limits(recipe, None),
            deterministic: false,
            stop: Arc::default(),
        };
        let report = bench.boot(1, None, &mut |_| {})?;
        report
            .boot_ms
            .ok_or_else(|| format!("{:?}: {}", report.outcome, report.tail.join("\n")).into())
    };
    println!(
        "kernel {}, QEMU {}, {pairs} pairs",
        environment.guest.release, environment.qemu.version
    );
    println!("CPUs: {}; placement is the scheduler's", processors());
    // The first boot of each kind warms the page cache.
    boot(&with, true)?;
    boot(&without, false)?;
    let (mut server, mut alone) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        server.push(boot(&with, true)?);
        alone.push(boot(&without, false)?);
        println!(
            "pair {pair}: {} ms with the server, {} ms without",
            server[pair - 1],
            alone[pair - 1]
        );
    }
    let (server, alone) = (median(&mut server), median(&mut alone));
    println!(
        "medians: {server} ms with, {alone} ms without; ratio {:.3}",
        server as f64 / alone as f64
    );
    Ok(())
}

fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    let middle = times.len() / 2;
    if times.len() % 2 == 1 {
        times[middle]
    } else {
        (times[middle - 1] + times[middle]) / 2
    }
}

fn processors() -> String {
    let model = Command::new("sh")
        .args(["-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2"])
        .output();
    let model = model
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    let count = std::thread::available_parallelism().map_or(0, |count| count.get());
    format!("{count} x {model}")
}
