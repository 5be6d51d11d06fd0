// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The whole plan of all SMMUs as one text, in the form that it has in the configuration file.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use smmu_emu::{DelayRule, InjectionRule, MarkRule, Plan};

use super::command::{Command, Context, Nothing, arguments, typed};
use super::rules;
use crate::control::qmp::Error;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mark: Vec<MarkRule>,
    #[serde(default)]
    smmu: Vec<Smmu>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Smmu {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    delay: Vec<DelayRule>,
    #[serde(default, alias = "fault", skip_serializing_if = "Vec::is_empty")]
    injection: Vec<InjectionRule>,
}

arguments!(Load {
    /// The plan, TOML.
    text: String,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "plan-save",
        about: "Writes the plan of all SMMUs as TOML, in the form of the configuration file: `seed`, \
                `[[mark]]`, and `[[smmu]]` with `name`, `[[smmu.delay]]` and `[[smmu.injection]]`. How far \
                each rule has got is not part of it, nor is which marks are raised.",
        arguments: Nothing::ARGUMENTS,
        returns: "`text`",
        example: "",
        run: save,
    },
    Command {
        name: "plan-load",
        about: "Puts the delays and injections of such a text in the place of all that there are, also of \
                SMMUs that it does not name, and starts their counts and their chance; or changes nothing if \
                there is a mistake in it. Marks that are missing are added; none goes. A text without `seed` \
                leaves the seed as it is.",
        arguments: Load::ARGUMENTS,
        returns: "`delays`, `faults` (numbers of them), `seed`",
        example: "text=@plan.toml",
        run: load,
    },
];

fn save(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Nothing {} = typed(arguments)?;
    let smmus = context.devices().iter().map(|device| {
        let function = device.lock();
        let smmu = function.smmu();
        Smmu {
            name: device.name.clone(),
            delay: smmu.delays().map(|delay| delay.rule).collect(),
            injection: smmu.injections().map(|injection| injection.rule).collect(),
        }
    });
    let file = File {
        seed: Some(context.seed()),
        mark: context.run().mark_rules(),
        smmu: smmus.collect(),
    };
    let text = toml::to_string(&file).map_err(Error::generic)?;
    Ok(json!({ "text": text }))
}

fn load(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Load { text } = typed(arguments)?;
    let file: File = toml::from_str(&text).map_err(Error::generic)?;
    let mut marks = context.run().mark_names();
    marks.extend(file.mark.iter().map(|mark| mark.name.clone()));
    let mut names = BTreeSet::new();
    for smmu in &file.smmu {
        let name = &smmu.name;
        let error = |error: &dyn std::fmt::Display| Error::generic(format_args!("smmu {name:?}: {error}"));
        let device = context.device(Some(name))?;
        if !names.insert(name) {
            return Err(error(&"is there twice"));
        }
        let plan = smmu.plan(0);
        rules::check_with(context, &plan, &marks).map_err(|problem| error(&problem.desc))?;
        let geometry = device.lock().smmu().geometry().clone();
        plan.validate(&geometry).map_err(|problem| error(&problem))?;
    }
    context.add_marks(&file.mark)?;
    let seed = file.seed.unwrap_or_else(|| context.seed());
    let (mut delays, mut faults) = (0, 0);
    for (number, device) in (0..).zip(context.devices()) {
        let none = Smmu::default();
        let of_device = file.smmu.iter().find(|smmu| smmu.name == device.name);
        let plan = of_device.unwrap_or(&none).plan(seed.wrapping_add(number));
        delays += plan.delays.len();
        faults += plan.injections.len();
        device.lock().smmu().replace_plan(plan).map_err(Error::generic)?;
    }
    Ok(json!({ "delays": delays, "faults": faults, "seed": seed }))
}

impl Smmu {
    fn plan(&self, seed: u64) -> Plan {
        Plan {
            seed,
            delays: self.delay.clone(),
            injections: self.injection.clone(),
        }
    }
}
