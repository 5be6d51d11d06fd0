// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results counted: a function of the recorded boots alone, whatever the order in which they ended.
//!
//! Boots vote in the order of their numbers, not in that in which they end: a hit ends a boot early, so that the order
//! of ends would favour hits. The decision of a stop rule at a boot is so equal in every run, with any number of guests
//! at a time, and after any number of resumptions. Boots after that one were under way by then; they are not counted.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use super::class::Class;
use super::pairs::Pairs;
use super::record::{Boot, CellPart, Header, Title};
use super::shard::Shard;
use super::stop::{Reason, Stop, Votes};
use crate::recipe::FindingKind;

/// Boots of one shard of a cell, in their order, as far as they are known without a gap.
#[derive(Debug, Clone)]
pub struct Lane {
    shard: Shard,
    cell: usize,
    /// The number after the last boot that has voted.
    next: u32,
    last: u32,
    waiting: BTreeMap<u32, (Class, bool)>,
    stop: Stop,
    /// The votes.
    pub votes: Votes,
    /// The boot at which a rule has ended the lane.
    pub ended_at: Option<u32>,
}

impl Lane {
    /// The lane of a shard for cell number `cell`, from 0, of `boots` boots.
    pub fn new(shard: Shard, cell: usize, boots: u32, stop: Stop) -> Self {
        let mut lane = Self {
            shard,
            cell,
            next: 0,
            last: boots,
            waiting: BTreeMap::new(),
            stop,
            votes: Votes::default(),
            ended_at: None,
        };
        lane.next = lane.after(0);
        lane
    }

    /// The first boot of this lane after boot `boot`; past the last one if there is none.
    fn after(&self, boot: u32) -> u32 {
        self.shard.next(self.cell, boot).min(self.last.saturating_add(1))
    }

    /// Boots of this lane.
    fn length(&self) -> u32 {
        match self.after(0) {
            first if first > self.last => 0,
            first => (self.last - first) / self.shard.count.max(1) + 1,
        }
    }

    /// Boots of this lane after `boot`, in order.
    pub fn boots_after(&self, boot: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.after(boot);
        std::iter::successors(Some(first), |boot| Some(self.after(*boot)))
            .take_while(|boot| *boot <= self.last)
    }

    /// Ends the lane at a boot, for a reason that lies outside of it; a rule that has ended it earlier stays.
    fn end(&mut self, at: u32, reason: Reason) {
        if self.ended_at.is_none_or(|end| end > at) {
            self.ended_at = Some(at);
            self.votes.ended = Some(reason);
        }
    }

    /// Takes a boot of this lane; it votes when all before it have.
    pub fn add(&mut self, boot: u32, class: Class, booted: bool) {
        if boot < self.next {
            return;
        }
        self.waiting.insert(boot, (class, booted));
        while let Some((class, booted)) = self.waiting.remove(&self.next) {
            if self.ended_at.is_none() {
                self.votes.add(class, booted, self.stop);
                self.ended_at = self.votes.ended.map(|_| self.next);
            }
            self.next = self.after(self.next);
        }
    }
}

/// A finding over the boots of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Boots that showed it.
    pub boots: u32,
    /// The first of them.
    pub first: u32,
    /// A bug of the kernel that the recipe does not look for.
    pub other_bug: bool,
}

/// Results of a cell.
#[derive(Debug, Clone)]
pub struct CellTally {
    /// Boots of each class; of a boot its last attempt.
    pub classes: BTreeMap<Class, u32>,
    /// Attempts that QEMU, server or host failed.
    pub infra_attempts: u32,
    /// Boots that were under way when a rule ended the cell; they are in no other number.
    pub surplus: u32,
    /// Rule that has ended each lane.
    pub ended: Vec<Reason>,
    /// Whether no more boots are needed.
    pub complete: bool,
    /// Findings, by kind and title.
    pub titles: BTreeMap<(FindingKind, String), Seen>,
    /// The first boot of each class, with its reason.
    pub reasons: BTreeMap<Class, (u32, String)>,
    /// Directories of hits and of boots with other bugs, the first ones.
    pub dirs: Vec<(u32, Class, String)>,
    /// Sum of the durations of the counted boots in milliseconds.
    pub total_ms: u64,
}

/// Directories of a cell that are listed.
const DIRS_MAX: usize = 8;

impl CellTally {
    /// Boots of a class.
    pub fn of(&self, class: Class) -> u32 {
        self.classes.get(&class).copied().unwrap_or(0)
    }

    /// Hits and clean boots.
    pub fn conclusive(&self) -> u32 {
        self.of(Class::Hit) + self.of(Class::Clean)
    }

    fn new(attempts: &Attempts<'_>, number: usize, header: &Header, pairs_end: Option<u32>) -> Self {
        let Attempts { last, failed } = attempts;
        let mut tally = Self {
            classes: BTreeMap::new(),
            infra_attempts: *failed,
            surplus: 0,
            ended: Vec::new(),
            complete: true,
            titles: BTreeMap::new(),
            reasons: BTreeMap::new(),
            dirs: Vec::new(),
            total_ms: 0,
        };
        let lane = |shard: &Shard| (shard.index, Lane::new(*shard, number, header.boots, header.stop));
        let mut lanes: BTreeMap<u32, Lane> = header.shards.iter().map(lane).collect();
        let count = header.shards.first().map_or(1, |shard| shard.count);
        let shard_of = |boot: &Boot| Shard::of(number, boot.boot, count).index;
        let mut results: BTreeMap<u32, u32> = BTreeMap::new();
        for boot in last.values() {
            if let Some(lane) = lanes.get_mut(&shard_of(boot)) {
                lane.add(boot.boot, boot.class, boot.boot_ms.is_some());
                *results.entry(lane.shard.index).or_default() += u32::from(boot.class != Class::Infra);
            }
        }
        if let Some(end) = pairs_end {
            lanes.values_mut().for_each(|lane| lane.end(end, Reason::Differ));
        }
        for (index, lane) in &lanes {
            let all = results
                .get(index)
                .is_some_and(|results| *results == lane.length());
            tally.complete &= lane.ended_at.is_some() || all || lane.length() == 0;
            tally.ended.extend(lane.votes.ended);
        }
        for boot in last.values() {
            let Some(lane) = lanes.get(&shard_of(boot)) else {
                continue;
            };
            if lane.ended_at.is_some_and(|end| boot.boot > end) {
                tally.surplus += 1;
            } else {
                tally.add(boot);
            }
        }
        tally
    }

    fn add(&mut self, boot: &Boot) {
        *self.classes.entry(boot.class).or_default() += 1;
        self.total_ms = self.total_ms.saturating_add(boot.total_ms);
        for Title {
            kind,
            title,
            other_bug,
            ..
        } in &boot.titles
        {
            let seen = self.titles.entry((*kind, title.clone())).or_insert(Seen {
                boots: 0,
                first: boot.boot,
                other_bug: *other_bug,
            });
            seen.boots += 1;
        }
        if let Some(reason) = &boot.reason {
            self.reasons
                .entry(boot.class)
                .or_insert_with(|| (boot.boot, reason.clone()));
        }
        let wanted = matches!(boot.class, Class::Hit | Class::OtherBug);
        if let Some(dir) = boot.dir.as_ref().filter(|_| wanted && self.dirs.len() < DIRS_MAX) {
            self.dirs.push((boot.boot, boot.class, dir.clone()));
        }
    }
}

/// Attempts of the boots of a cell.
#[derive(Default)]
struct Attempts<'a> {
    /// The last attempt of each boot.
    last: BTreeMap<u32, &'a Boot>,
    /// Attempts that QEMU, server or host failed.
    failed: u32,
}

/// Attempts of the boots of each cell of the header. Boots of cells that it does not have are left out.
fn attempts<'a>(header: &Header, boots: &'a [Boot]) -> Vec<Attempts<'a>> {
    let mut by_cell: HashMap<&str, Attempts<'_>> = HashMap::new();
    for boot in boots {
        let of = by_cell.entry(&boot.cell).or_default();
        of.failed += u32::from(boot.class == Class::Infra);
        if (1..=header.boots).contains(&boot.boot) {
            let last = of.last.entry(boot.boot).or_insert(boot);
            if boot.attempt >= last.attempt {
                *last = boot;
            }
        }
    }
    let cells = header.cells.iter();
    cells
        .map(|part| by_cell.remove(part.key.as_str()).unwrap_or_default())
        .collect()
}

/// Pairs of the two cells of a run that compares them.
pub fn pairs(header: &Header, boots: &[Boot]) -> Option<Pairs> {
    let mut pairs = Pairs::new(header.stop.pairs?);
    for (cell, Attempts { last, .. }) in attempts(header, boots).iter().enumerate() {
        for boot in last.values() {
            pairs.add(cell, boot.boot, boot.class);
        }
    }
    Some(pairs)
}

/// Results of all cells, in the order of the header. Boots of cells that it does not have are left out.
pub fn tally<'a>(header: &'a Header, boots: &[Boot]) -> Vec<(&'a CellPart, CellTally)> {
    let pairs_end = pairs(header, boots).and_then(|pairs| pairs.ended_at);
    let cells = header.cells.iter().zip(attempts(header, boots)).enumerate();
    let mut cells: Vec<_> = cells
        .map(|(number, (part, attempts))| (part, CellTally::new(&attempts, number, header, pairs_end)))
        .collect();
    // Without a partner no further boot is of use.
    if header.stop.pairs.is_some() && cells.iter().any(|(_, tally)| !tally.ended.is_empty()) {
        cells.iter_mut().for_each(|(_, tally)| tally.complete = true);
    }
    cells
}
