// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Part, Text};
use crate::recipe::{Recipe, SHIPPED, shipped};

fn text(name: &str) -> Text {
    Text::parse(shipped(name).unwrap().text).unwrap()
}

#[test]
fn an_smmu_goes_with_its_model_its_clients_and_their_steps() {
    let without = text("two-iommus")
        .without(&[Part::Smmu("a".to_owned())])
        .to_string();
    // The watchdog has another SMMU.
    assert!(
        without.contains("iommus = [{ smmu = \"b\", stream_ids = [4] }]"),
        "{without}"
    );
    Recipe::parse(&without, "without a").unwrap();
    let without = text("two-iommus")
        .without(&[Part::Smmu("b".to_owned())])
        .to_string();
    for gone in ["\"display\"", "b-attaching", "name = \"b\"", "site = \"ats\""] {
        assert!(!without.contains(gone), "{gone} in\n{without}");
    }
}

#[test]
fn references_go_with_their_part() {
    let of = |name: &str, part: Part| text(name).without(&[part]).to_string();
    let without = of("two-iommus", Part::Mark("client-bound".to_owned()));
    assert!(!without.contains("client-bound"), "{without}");
    let module = Part::Word {
        array: "modules",
        word: "sp805_wdt".to_owned(),
    };
    assert!(!of("two-iommus", module).contains("load = \"sp805_wdt\""));
    let without = of("device-not-ready", Part::Client("c0".to_owned()));
    assert!(!without.contains("${c0"), "{without}");
}

/// Each part of each shipped recipe makes another text when it is dropped, which is TOML; numbers name what they should
/// when several go at once.
#[test]
fn parts_of_shipped_recipes_can_be_dropped() {
    for shipped in SHIPPED {
        let whole = Text::parse(shipped.text).unwrap();
        assert_eq!(whole.to_string(), shipped.text, "{}", shipped.name);
        for kind in whole.parts() {
            for part in &kind {
                let without = whole.without(std::slice::from_ref(part));
                assert_ne!(without.to_string(), shipped.text, "{}: {part}", shipped.name);
                Text::parse(&without.to_string()).unwrap();
            }
            let (Some(first), Some(last)) = (kind.first(), kind.last()) else {
                continue;
            };
            if kind.len() > 1 && matches!(first, Part::Step(_) | Part::Rule { .. }) {
                let both = whole.without(&[first.clone(), last.clone()]);
                let steps = whole
                    .without(std::slice::from_ref(last))
                    .without(std::slice::from_ref(first));
                assert_eq!(both.to_string(), steps.to_string(), "{}", shipped.name);
            }
        }
    }
}
