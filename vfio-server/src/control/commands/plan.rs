// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! All delays of all SMMUs as one text, in the form that they have in the configuration file.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use smmu_emu::{DelayRule, Plan};

use super::{Command, Context, MAX_DELAYS, Nothing, typed};
use crate::control::qmp::Error;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    smmu: Vec<Smmu>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Smmu {
    name: String,
    #[serde(default)]
    delay: Vec<DelayRule>,
}

super::arguments!(Load {
    /// The plan, TOML.
    text: String,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "plan-save",
        about: "Writes all delays of all SMMUs as TOML, in the form of the configuration file: `[[smmu]]` with `name` and \
                `[[smmu.delay]]`. How far each has got is not part of it.",
        arguments: Nothing::ARGUMENTS,
        returns: "`text`",
        example: "",
        run: save,
    },
    Command {
        name: "plan-load",
        about: "Puts the delays of such a text in the place of all that there are, also of SMMUs that it does not name; \
                or changes nothing if there is a mistake in it.",
        arguments: Load::ARGUMENTS,
        returns: "`delays` (number of them)",
        example: "text=@plan.toml",
        run: load,
    },
];

fn save(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Nothing {} = typed(arguments)?;
    let smmus = context.devices().iter().map(|device| Smmu {
        name: device.name.clone(),
        delay: device.lock().smmu().delays().map(|delay| delay.rule).collect(),
    });
    let file = File {
        smmu: smmus.collect(),
    };
    let text = toml::to_string(&file).map_err(Error::generic)?;
    Ok(json!({ "text": text }))
}

fn load(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Load { text } = typed(arguments)?;
    let file: File = toml::from_str(&text).map_err(Error::generic)?;
    let mut names = BTreeSet::new();
    for Smmu { name, delay } in &file.smmu {
        let error = |error: &dyn std::fmt::Display| Error::generic(format_args!("smmu {name:?}: {error}"));
        let device = context.device(Some(name))?;
        if !names.insert(name) {
            return Err(error(&"is there twice"));
        }
        if delay.len() > MAX_DELAYS {
            return Err(error(&format_args!("at most {MAX_DELAYS} delays")));
        }
        let plan = Plan {
            delays: delay.clone(),
        };
        plan.validate_marks(context.run().mark_names().into_iter())
            .map_err(|problem| error(&problem))?;
        let geometry = device.lock().smmu().geometry().clone();
        plan.validate(&geometry).map_err(|problem| error(&problem))?;
    }
    let mut count = 0;
    for device in context.devices() {
        let of_device = file.smmu.iter().find(|smmu| smmu.name == device.name);
        let delays = of_device.map(|smmu| smmu.delay.clone()).unwrap_or_default();
        count += delays.len();
        device
            .lock()
            .smmu()
            .replace_delays(Plan { delays })
            .map_err(Error::generic)?;
    }
    Ok(json!({ "delays": count }))
}
