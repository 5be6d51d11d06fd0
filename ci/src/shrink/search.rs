// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Delta debugging: parts are dropped as long as the recipe still hits; many of a kind at once first, then fewer.
//!
//! The result is minimal in this sense: each recipe with one part less was refused, or did not hit often enough.

#[cfg(test)]
mod tests;

use guest_images::packages::digest;

use super::decisions::{Decision, Decisions};
use super::parts::{Part, Text};
use super::query::{Answer, Query};
use crate::recipe::Recipe;
use crate::report::journal::JournalError;
use crate::stress::measure::MeasureError;

/// Reason why a search has no result.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// The directory of the work.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The boots.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The recipe cannot be shrunk.
    #[error("{0}")]
    Recipe(String),
}

/// The smallest recipe of a text that hits.
///
/// # Errors
/// A query has no answer; the decisions so far are on disk.
pub fn smallest(
    mut text: Text,
    decisions: &mut Decisions,
    query: &mut dyn Query,
) -> Result<Text, ShrinkError> {
    let mut search = Search { decisions, query };
    loop {
        let before = text.to_string();
        for kind in 0..text.parts().len() {
            text = search.without_kind(text, kind)?;
        }
        if text.to_string() == before {
            return Ok(text);
        }
    }
}

/// Search under way.
struct Search<'a> {
    decisions: &'a mut Decisions,
    query: &'a mut dyn Query,
}

impl Search<'_> {
    /// The text without as many parts of a kind as can be.
    fn without_kind(&mut self, mut text: Text, kind: usize) -> Result<Text, ShrinkError> {
        let parts = |text: &Text| text.parts().into_iter().nth(kind).unwrap_or_default();
        let mut chunk = parts(&text).len();
        while chunk > 0 {
            let mut at = 0;
            loop {
                let all = parts(&text);
                let Some(some) = all
                    .get(at..all.len().min(at + chunk))
                    .filter(|some| !some.is_empty())
                else {
                    break;
                };
                let candidate = text.without(some);
                let is_another = candidate.to_string() != text.to_string();
                if is_another && self.hits_still(&candidate, some)? {
                    text = candidate;
                } else {
                    at += some.len();
                }
            }
            chunk /= 2;
        }
        Ok(text)
    }

    fn hits_still(&mut self, candidate: &Text, dropped: &[Part]) -> Result<bool, ShrinkError> {
        let recipe = candidate.to_string();
        let recipe_sha256 = digest::of_bytes(recipe.as_bytes());
        if let Some(known) = self.decisions.of(&recipe_sha256) {
            return Ok(known);
        }
        // Refused without a boot; a server has at least one SMMU.
        let checked = Recipe::parse(&recipe, "the smaller recipe");
        if !checked.is_ok_and(|recipe| !recipe.smmus.is_empty()) {
            return Ok(false);
        }
        let number = self.decisions.next();
        let Answer {
            hits_still,
            hits,
            conclusive,
            reason,
        } = self.query.ask(number, &recipe)?;
        let dropped: Vec<String> = dropped.iter().map(ToString::to_string).collect();
        let word = if hits_still { "hits without" } else { "needs" };
        let also = reason
            .as_deref()
            .map(|reason| format!("; {reason}"))
            .unwrap_or_default();
        let told = format!("{word} {}: {hits}/{conclusive}{also}", dropped.join(", "));
        self.decisions.record(Decision {
            number,
            recipe_sha256,
            dropped,
            hits_still,
            hits,
            conclusive,
            reason,
        })?;
        self.query.tell(&told);
        Ok(hits_still)
    }
}
