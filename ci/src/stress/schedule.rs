// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Order of a run's boots: some of each cell in turn, so that a run that is cut short has some of all, and that a host
//! whose load changes is no difference between cells.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use super::class::Class;
use super::pairs::Pairs;
use super::record::{Boot, Header};
use super::shard::Shard;
use super::tally::Lane;

/// Boots of a cell that begin one after the other, before the next cell's turn: its files are made once for them.
pub const TURN: u32 = 10;
/// Boots of a cell in a row that QEMU, server or host failed in all attempts: the cell is given up.
const FAILED_IN_A_ROW: u32 = 3;

/// A boot to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Number of its cell, from 0.
    pub cell: usize,
    /// Its number within the cell, from 1.
    pub boot: u32,
    /// Number of the attempt, from 1.
    pub attempt: u32,
}

/// State of a cell.
#[derive(Debug)]
struct Cell {
    lane: Lane,
    /// Last boot that was handed out, or passed over.
    cursor: u32,
    /// Boots that have a result, and attempts of those that failed.
    known: BTreeMap<u32, (Class, u32)>,
    failed_in_a_row: u32,
    /// Why it has no more boots.
    given_up: Option<String>,
}

/// The boots of a run that are still to be made.
#[derive(Debug)]
pub struct Schedule {
    cells: Vec<Cell>,
    retries: u32,
    again: VecDeque<Job>,
    /// The cell whose turn it is, and the boots that are left of its turn.
    turn: (usize, u32),
    /// Boots of a turn.
    turn_length: u32,
    /// Pairs of the two cells that are compared.
    pairs: Option<Pairs>,
}

impl Schedule {
    /// The boots of a shard that have no result among `boots`. Boots that QEMU, server or host failed have none.
    pub fn new(header: &Header, shard: Shard, boots: &[Boot]) -> Self {
        let lane = |number| Lane::new(shard, number, header.boots, header.stop);
        let cell = |number| Cell {
            lane: lane(number),
            cursor: 0,
            known: BTreeMap::new(),
            failed_in_a_row: 0,
            given_up: None,
        };
        let mut pairs = header.stop.pairs.map(Pairs::new);
        let mut cells: Vec<Cell> = (0..header.cells.len()).map(cell).collect();
        let numbers: BTreeMap<&str, usize> = header
            .cells
            .iter()
            .enumerate()
            .map(|(at, part)| (part.key.as_str(), at))
            .collect();
        for boot in boots {
            let number = numbers.get(boot.cell.as_str()).copied();
            let Some((number, cell)) = number.and_then(|at| Some((at, cells.get_mut(at)?))) else {
                continue;
            };
            let of = cell.known.entry(boot.boot).or_insert((boot.class, 0));
            if boot.attempt >= of.1 {
                *of = (boot.class, boot.attempt);
            }
            if boot.class != Class::Infra {
                cell.lane.add(boot.boot, boot.class, boot.boot_ms.is_some());
                if let Some(pairs) = &mut pairs {
                    pairs.add(number, boot.boot, boot.class);
                }
            }
        }
        // Two cells that are compared take turns boot by boot, so that each pair has met the same host.
        let turn_length = if pairs.is_some() { 1 } else { TURN };
        Self {
            cells,
            retries: header.retries,
            again: VecDeque::new(),
            turn: (0, turn_length),
            turn_length,
            pairs,
        }
    }

    /// The next boot to make.
    pub fn hand_out(&mut self) -> Option<Job> {
        if self.is_decided() {
            return None;
        }
        while let Some(job) = self.again.pop_front() {
            if self.cells.get(job.cell).is_some_and(Cell::is_open) {
                return Some(job);
            }
        }
        // Each cell once, beginning with the one whose turn it is, which may come up again at its end.
        for _ in 0..=self.cells.len() {
            let (at, left) = self.turn;
            let cell = self.cells.get_mut(at)?;
            if left > 0
                && let Some((boot, attempts)) = cell.next()
            {
                self.turn = (at, left - 1);
                return Some(Job {
                    cell: at,
                    boot,
                    attempt: attempts + 1,
                });
            }
            self.turn = ((at + 1) % self.cells.len(), self.turn_length);
        }
        None
    }

    /// Notes the end of a boot; says whether it counts, or is made again.
    pub fn done(&mut self, job: Job, boot: &Boot) -> bool {
        let Some(cell) = self.cells.get_mut(job.cell) else {
            return true;
        };
        let is_again =
            boot.class == Class::Infra && job.attempt.saturating_sub(cell.failed(job.boot)) <= self.retries;
        if let Some(pairs) = self.pairs.as_mut().filter(|_| !is_again) {
            pairs.add(job.cell, boot.boot, boot.class);
        }
        if boot.class != Class::Infra {
            cell.failed_in_a_row = 0;
            cell.lane.add(boot.boot, boot.class, boot.boot_ms.is_some());
            return true;
        }
        if is_again {
            self.again.push_back(Job {
                attempt: job.attempt + 1,
                ..job
            });
            return false;
        }
        cell.failed_in_a_row += 1;
        cell.lane.add(boot.boot, boot.class, false);
        if cell.failed_in_a_row >= FAILED_IN_A_ROW {
            cell.given_up = Some(boot.reason.clone().unwrap_or_default());
        }
        true
    }

    /// Whether no pair of the two cells that are compared is needed, or can come.
    fn is_decided(&self) -> bool {
        let is_shut = |pairs: &Pairs| pairs.ended_at.is_some() || !self.cells.iter().all(Cell::is_open);
        self.pairs.as_ref().is_some_and(is_shut)
    }

    /// Votes of a cell so far.
    pub fn lane(&self, cell: usize) -> Option<&Lane> {
        self.cells.get(cell).map(|cell| &cell.lane)
    }

    /// Cells that were given up, with the reason of the last failure.
    pub fn given_up(&self) -> impl Iterator<Item = (usize, &str)> {
        let cells = self.cells.iter().enumerate();
        cells.filter_map(|(at, cell)| Some((at, cell.given_up.as_deref()?)))
    }
}

impl Cell {
    /// Attempts of a boot that had failed when the run was resumed.
    fn failed(&self, boot: u32) -> u32 {
        self.known.get(&boot).map_or(0, |(_, attempts)| *attempts)
    }

    fn is_open(&self) -> bool {
        self.lane.ended_at.is_none() && self.given_up.is_none()
    }

    /// The next boot without a result, and the attempts that failed.
    fn next(&mut self) -> Option<(u32, u32)> {
        if !self.is_open() {
            return None;
        }
        let mut boots = self.lane.boots_after(self.cursor);
        let known = &self.known;
        let next = boots.find(|boot| known.get(boot).is_none_or(|(class, _)| *class == Class::Infra));
        drop(boots);
        let boot = next?;
        self.cursor = boot;
        Some((boot, self.failed(boot)))
    }
}
