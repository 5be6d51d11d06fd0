// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A verdict for people.

use std::fmt;

use super::{Hit, Verdict, Word};
use crate::classify::{Frame, Kind, OtherKind};
use crate::stats::Rate;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { hits, boots, .. } = self.rate;
        match self.verdict {
            Word::Reproduced => writeln!(
                f,
                "REPRODUCED: {hits} of {boots} boots showed the late-probe warning."
            )?,
            Word::NotReproduced => writeln!(
                f,
                "NOT REPRODUCED: none of {boots} boots showed the late-probe warning."
            )?,
            Word::Inconclusive => writeln!(
                f,
                "INCONCLUSIVE: no late-probe warning, and {} of {} boots did not get to the end.",
                self.inconclusive.len(),
                self.boots()
            )?,
        }
        writeln!(f)?;
        writeln!(f, "  kernel   {} ({})", self.kernel.version, self.kernel.source)?;
        writeln!(f, "  QEMU     {} ({})", self.qemu.version, self.qemu.source)?;
        writeln!(f, "  recipe   {}: {}", self.recipe.name, self.recipe.summary)?;
        writeln!(f, "  guest    {} CPUs, seed {}", self.cpus, self.seed)?;
        if boots > 0 {
            writeln!(
                f,
                "  rate     {hits}/{boots}, 95 % interval {:.1} % to {:.1} % (Clopper-Pearson)",
                self.rate.low * 100.0,
                self.rate.high * 100.0
            )?;
        }
        let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
        write!(
            f,
            "  time     {} for {} boots",
            seconds(self.elapsed_ms),
            self.boots()
        )?;
        match self.first_hit_ms {
            Some(ms) => writeln!(f, ", first hit after {}", seconds(ms))?,
            None => writeln!(f)?,
        }
        self.groups(f)?;
        if !self.others.is_empty() {
            writeln!(f, "\nOther kernel trouble:")?;
            for other in &self.others {
                writeln!(f, "  {:>3} x {}: {}", other.count, name(other.kind), other.title)?;
            }
        }
        for spoiled in &self.inconclusive {
            writeln!(f, "\nBoot {} says nothing: {}", spoiled.boot, spoiled.reason)?;
            let from = spoiled.tail.len().saturating_sub(6);
            for line in spoiled.tail.get(from..).unwrap_or_default() {
                writeln!(f, "  | {line}")?;
            }
        }
        if let Some(reason) = &self.ended_early {
            writeln!(
                f,
                "\nEnded after {} of {} boots: {reason}",
                self.boots(),
                self.boots_wanted
            )?;
        }
        writeln!(f, "\nResults  {}", self.results.display())?;
        for file in &self.files {
            writeln!(f, "Console  {}", file.display())?;
        }
        Ok(())
    }
}

impl Verdict {
    /// Hits that are the same but for time, CPU and task are told once.
    fn groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<Vec<&Hit>> = Vec::new();
        for hit in &self.hits {
            match groups
                .iter_mut()
                .find(|group| group.first().is_some_and(|first| alike(first, hit)))
            {
                Some(group) => group.push(hit),
                None => groups.push(vec![hit]),
            }
        }
        for group in groups {
            let Some(Hit { late, .. }) = group.first() else {
                continue;
            };
            let mut boots: Vec<u32> = group.iter().map(|hit| hit.boot).collect();
            boots.dedup();
            writeln!(f, "\n{}: {}", list(&boots), place(late.kind))?;
            let time = late
                .time
                .as_ref()
                .map(|time| format!("[{time}] "))
                .unwrap_or_default();
            writeln!(
                f,
                "  {time}{} {}: late IOMMU probe at driver bind, something fishy here!",
                late.driver, late.device
            )?;
            let mut who = Vec::new();
            who.extend(late.source.clone());
            who.extend(late.cpu.map(|cpu| format!("CPU {cpu}")));
            who.extend(late.comm.clone());
            who.extend(late.pid.map(|pid| format!("PID {pid}")));
            writeln!(f, "  {}", who.join(", "))?;
            for frame in &late.trace {
                writeln!(f, "    {}", frame.as_str())?;
            }
        }
        Ok(())
    }
}

fn alike(a: &Hit, b: &Hit) -> bool {
    let (a, b) = (&a.late, &b.late);
    let path = |trace: &[Frame]| {
        trace
            .iter()
            .map(|frame| frame.function().to_owned())
            .collect::<Vec<_>>()
    };
    a.kind == b.kind && a.driver == b.driver && a.device == b.device && path(&a.trace) == path(&b.trace)
}

fn list(boots: &[u32]) -> String {
    let numbers: Vec<String> = boots.iter().map(u32::to_string).collect();
    format!(
        "Boot{} {}",
        if boots.len() == 1 { "" } else { "s" },
        numbers.join(", ")
    )
}

fn place(kind: Kind) -> &'static str {
    match kind {
        Kind::Walk => "in the walk over the bus when the IOMMU registered",
        Kind::Replay => "replayed when the driver was bound",
        Kind::Unknown => "the call trace does not say where",
    }
}

fn name(kind: OtherKind) -> &'static str {
    match kind {
        OtherKind::Warning => "WARNING",
        OtherKind::Bug => "BUG",
        OtherKind::Oops => "oops",
        OtherKind::Panic => "panic",
        OtherKind::RcuStall => "RCU stall",
        OtherKind::HungTask => "hung task",
        OtherKind::TlbSync => "TLB sync",
    }
}
