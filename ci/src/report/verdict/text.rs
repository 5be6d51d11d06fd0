// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A verdict for people.

use std::fmt;

use super::{Hit, Verdict, Word};
use crate::boot::classify::{Kind, OtherKind};
use crate::report::stats::Rate;

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
        writeln!(f, "  guest    -smp {}, seed {}", self.cpus, self.seed)?;
        if boots > 0 {
            writeln!(
                f,
                "  rate     {hits}/{boots}, 95 % interval {:.1} % to {:.1} % (Clopper-Pearson)",
                self.rate.low * 100.0,
                self.rate.high * 100.0
            )?;
        }
        let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
        write!(f, "  time     {} in all", seconds(self.elapsed_ms))?;
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
    /// Hits with the same call trace are told together, with the trace once.
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
            let Some(Hit { late: first, .. }) = group.first() else {
                continue;
            };
            writeln!(f, "\n{}:", place(first.kind))?;
            for Hit { boot, late } in group.iter().take(SHOWN) {
                let time = late
                    .time
                    .as_ref()
                    .map(|time| format!("[{time}] "))
                    .unwrap_or_default();
                let (driver, device) = (&late.driver, &late.device);
                writeln!(
                    f,
                    "  boot {boot}: {time}{driver} {device}: late IOMMU probe at driver bind, something fishy here!"
                )?;
                let mut who = Vec::new();
                who.extend(late.source.clone());
                who.extend(late.cpu.map(|cpu| format!("CPU {cpu}")));
                who.extend(late.comm.clone());
                who.extend(late.pid.map(|pid| format!("PID {pid}")));
                if !who.is_empty() {
                    writeln!(f, "    at {}", who.join(", "))?;
                }
            }
            if group.len() > SHOWN {
                writeln!(
                    f,
                    "  and {} more like these, see results.ndjson",
                    group.len() - SHOWN
                )?;
            }
            if !first.trace.is_empty() {
                writeln!(f, "  Call trace:")?;
            }
            for frame in &first.trace {
                writeln!(f, "    {}", frame.as_str())?;
            }
        }
        Ok(())
    }
}

/// Hits with the same call trace that are listed.
const SHOWN: usize = 8;

fn alike(a: &Hit, b: &Hit) -> bool {
    let path = |hit: &Hit| {
        hit.late
            .trace
            .iter()
            .map(|frame| frame.function().to_owned())
            .collect::<Vec<_>>()
    };
    a.late.kind == b.late.kind && path(a) == path(b)
}

fn place(kind: Kind) -> &'static str {
    match kind {
        Kind::Walk => "In the walk over the bus when the IOMMU registered",
        Kind::Replay => "Replayed when the driver was bound",
        Kind::Unknown => "Seen, and the call trace does not say where",
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
