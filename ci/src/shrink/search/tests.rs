// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::smallest;
use crate::recipe::{Recipe, Start, shipped};
use crate::report::journal::Blank;
use crate::shrink::decisions::{Baseline, Decisions, LOG, SCHEMA};
use crate::shrink::parts::Text;
use crate::shrink::query::{Answer, Query};
use crate::stress::measure::MeasureError;

/// A recipe hits as long as it has all these texts; it breaks after so many answers.
struct Needs {
    texts: &'static [&'static str],
    left: u32,
    asked: u32,
}

impl Query for Needs {
    fn ask(&mut self, _: u32, recipe: &str) -> Result<Answer, MeasureError> {
        if self.left == 0 {
            return Err(MeasureError::Interrupted(2));
        }
        (self.left, self.asked) = (self.left - 1, self.asked + 1);
        let hits_still = self.texts.iter().all(|text| recipe.contains(text));
        Ok(Answer {
            hits_still,
            hits: u32::from(hits_still),
            conclusive: 1,
            reason: None,
        })
    }

    fn tell(&self, _: &str) {}
}

fn begun(dir: &std::path::Path, recipe: &str) -> Decisions {
    let baseline = Baseline {
        schema: SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        recipe: recipe.to_owned(),
        kernel: "debian:7.3.4".to_owned(),
        start: Start::Cold,
        boots: 20,
        share: 0.5,
        seed: 1,
        deterministic: false,
        hits: 20,
        conclusive: 20,
    };
    Blank::create(dir, LOG).unwrap().begin(baseline).unwrap().into()
}

fn search(decisions: &mut Decisions, needs: &mut Needs, recipe: &str) -> Option<String> {
    let text = Text::parse(recipe).unwrap();
    smallest(text, decisions, needs).ok().map(|text| text.to_string())
}

const TEXTS: &[&str] = &["\"watchdog\"", "sp805_wdt", "site = \"ats\""];

/// `two-iommus` with two needless clients, a rule, a mark, a module and an argument.
fn padded() -> String {
    let more = "[[board.client]]\nname = \"pad0\"\nkind = \"plain\"\niommus = [{ smmu = \"a\", stream_ids = [70] }]\n\
        [[board.client]]\nname = \"pad1\"\nkind = \"plain\"\niommus = [{ smmu = \"b\", stream_ids = [71] }]\n\
        [[mark]]\nname = \"pad\"\nsmmu = \"a\"\nregister = \"sCR0\"\naccess = \"write\"\n\
        [[step]]\nsleep_ms = 10\n";
    let text = shipped("two-iommus")
        .unwrap()
        .text
        .replace("cpus = 2", "cpus = 4");
    let text = text.replace("[\"log_buf_len=4M\"]", "[\"log_buf_len=4M\", \"pad=1\"]");
    format!(
        "{}\n{more}",
        text.replace("\"sp805_wdt\"]", "\"sp805_wdt\", \"virtio_mmio\"]")
    )
}

#[test]
fn the_smallest_recipe_has_what_the_bug_needs() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = padded();
    Recipe::parse(&recipe, "padded").unwrap();
    let mut needs = Needs {
        texts: TEXTS,
        left: 1000,
        asked: 0,
    };
    let smallest = search(&mut begun(dir.path(), &recipe), &mut needs, &recipe).unwrap();
    Recipe::parse(&smallest, "the smallest").unwrap();
    for text in TEXTS {
        assert!(smallest.contains(text), "no {text} in\n{smallest}");
    }
    for text in ["pad", "display", "virtio_mmio", "log_buf_len", "cpus = 4"] {
        assert!(!smallest.contains(text), "{text} in\n{smallest}");
    }
    assert!(smallest.contains("cpus = 1\n"), "{smallest}");
    // Comments of what is left stay.
    assert!(smallest.contains("SPDX-License-Identifier"), "{smallest}");
}

/// However often a search is ended, no recipe is booted twice.
#[test]
fn an_interrupted_search_repeats_nothing() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = padded();
    let needs = |left| Needs {
        texts: TEXTS,
        left,
        asked: 0,
    };
    let mut once = needs(1000);
    let expected = search(&mut begun(whole.path(), &recipe), &mut once, &recipe);
    drop(begun(parts.path(), &recipe));
    let mut asked = 0;
    loop {
        let mut some = needs(3);
        let mut decisions = Decisions::open(parts.path()).unwrap();
        let found = search(&mut decisions, &mut some, &recipe);
        asked += some.asked;
        if found.is_some() {
            assert_eq!((found, asked), (expected, once.asked));
            return;
        }
    }
}
