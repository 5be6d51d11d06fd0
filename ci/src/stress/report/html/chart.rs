// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Charts of rates with their intervals, as coordinates of an SVG of 320 × 170 units.

use crate::stats::boschloo::Count;
use crate::stats::rate::{ALPHA, clopper_pearson};
use crate::stress::report::text::percent;

/// Edges of the area for points.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 312.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 132.0;
/// Labels below the axis, at most.
const TICKS_MAX: usize = 6;
/// Colours that differ.
const COLOURS: usize = 6;

/// A rate at a value.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The value.
    pub at: u64,
    /// Its label.
    pub label: String,
    /// Hits and boots.
    pub count: Count,
}

/// A chart.
#[derive(Debug)]
pub struct Chart {
    /// Its title.
    pub title: String,
    /// Label of the horizontal axis.
    pub axis: String,
    /// Left edge of the area for points.
    pub left: f64,
    /// Its right edge.
    pub right: f64,
    /// Positions and labels on that axis.
    pub ticks: Vec<(f64, String)>,
    /// Positions and labels of the vertical axis.
    pub levels: Vec<(f64, &'static str)>,
    /// Lines of points.
    pub series: Vec<Series>,
}

/// Points of one line.
#[derive(Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Number of its colour.
    pub colour: usize,
    /// Coordinates of the line.
    pub line: String,
    /// Its points.
    pub marks: Vec<Mark>,
}

/// A point with its interval.
#[derive(Debug)]
pub struct Mark {
    /// Horizontal position.
    pub x: f64,
    /// Vertical position of the rate.
    pub y: f64,
    /// Vertical position of the interval's lower bound.
    pub low: f64,
    /// Vertical position of its upper bound.
    pub high: f64,
    /// Numbers, for people who point at it.
    pub label: String,
}

impl Chart {
    /// A chart of some series by name. Values are put at equal distances, in their order.
    pub fn new(title: String, axis: String, series: Vec<(String, Vec<Sample>)>) -> Self {
        let mut values: Vec<(u64, String)> = (series.iter().flat_map(|(_, samples)| samples))
            .map(|sample| (sample.at, sample.label.clone()))
            .collect();
        values.sort();
        values.dedup_by_key(|(at, _)| *at);
        let x = |at: u64| {
            let number = values
                .iter()
                .position(|(value, _)| *value == at)
                .unwrap_or_default();
            across(number, values.len())
        };
        let every = values.len().div_ceil(TICKS_MAX).max(1);
        let ticks = values
            .iter()
            .enumerate()
            .filter(|(number, _)| number % every == 0);
        Self {
            title,
            axis,
            left: LEFT,
            right: RIGHT,
            ticks: ticks
                .map(|(number, (_, label))| (across(number, values.len()), label.clone()))
                .collect(),
            levels: [(0.0, "0"), (0.5, "50"), (1.0, "100 %")]
                .map(|(share, label)| (up(share), label))
                .into(),
            series: (series.iter().enumerate())
                .map(|(number, (name, samples))| Series::new(name, number % COLOURS, samples, x))
                .collect(),
        }
    }
}

impl Series {
    fn new(name: &str, colour: usize, samples: &[Sample], x: impl Fn(u64) -> f64) -> Self {
        let mark = |sample: &Sample| {
            let Count { hits, boots } = sample.count;
            let (low, high) = clopper_pearson(hits, boots, ALPHA);
            Mark {
                x: x(sample.at),
                y: up(f64::from(hits) / f64::from(boots.max(1))),
                low: up(low),
                high: up(high),
                label: format!(
                    "{name}, {}: {hits}/{boots}, {} to {} %",
                    sample.label,
                    percent(low),
                    percent(high)
                ),
            }
        };
        let marks: Vec<Mark> = samples.iter().map(mark).collect();
        let line: Vec<String> = marks
            .iter()
            .map(|mark| format!("{:.1},{:.1}", mark.x, mark.y))
            .collect();
        Self {
            name: name.to_owned(),
            colour,
            line: line.join(" "),
            marks,
        }
    }
}

/// Position of value number `number` of `count`.
fn across(number: usize, count: usize) -> f64 {
    let of = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let share = if count > 1 {
        of(number) / of(count - 1)
    } else {
        0.5
    };
    // Points do not touch the edges.
    LEFT + 12.0 + share * (RIGHT - LEFT - 24.0)
}

/// Position of a share.
fn up(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}
