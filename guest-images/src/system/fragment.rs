// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The fragment of a kernel configuration with which all shipped recipes run, for the kernel's `merge_config.sh`, and
//! the comparison of a `.config` with it. Both come from the table of [`drivers`](crate::system::drivers).

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use crate::system::drivers::{DRIVERS, GOOD, Purpose};
use crate::system::kconfig::{Kconfig, Value};

#[cfg(test)]
mod tests;

/// The text of the fragment. Each option stands where it is needed first.
pub fn fragment() -> String {
    let mut text = String::from(
        "# What the shipped recipes of boot-stress need of an arm64 kernel, everything built in:\n\
         #   make allnoconfig && scripts/kconfig/merge_config.sh -m .config FRAGMENT && make olddefconfig\n\
         # Modules do as well for the drivers below, if they are given to --kernel with the Image.\n",
    );
    let mut seen = BTreeSet::new();
    let mut group = |heading: &str, options: &mut dyn Iterator<Item = &'static str>| {
        let new: Vec<&str> = options.filter(|option| seen.insert(*option)).collect();
        if !new.is_empty() {
            let _ = writeln!(text, "\n# {heading}");
        }
        for option in new {
            let _ = writeln!(text, "CONFIG_{option}=y");
        }
    };
    for purpose in Purpose::ALL {
        group(purpose.heading(), &mut purpose.options().iter().copied());
    }
    for driver in DRIVERS {
        let heading = format!("driver {}", driver.module);
        group(&heading, &mut driver.options.iter().copied());
    }
    group(
        "no recipe needs these; they are good to have",
        &mut GOOD.iter().map(|(option, _)| *option),
    );
    text
}

/// Difference between a configuration and the fragment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Purposes and drivers with the options that they lack, without `CONFIG_`.
    pub missing: Vec<(String, Vec<&'static str>)>,
    /// Drivers that are modules, with their options.
    pub modules: Vec<(&'static str, &'static str)>,
    /// Options that are good to have, with the reason.
    pub advice: Vec<(&'static str, &'static str)>,
}

/// Compares a configuration with the fragment.
pub fn compare(config: &Kconfig) -> Difference {
    let mut difference = Difference::default();
    for purpose in Purpose::ALL {
        let missing = purpose.lacking(config);
        if !missing.is_empty() {
            difference.missing.push((purpose.heading().to_owned(), missing));
        }
    }
    for driver in DRIVERS {
        let options = driver.options.iter().copied();
        let missing: Vec<_> = options
            .filter(|option| config.value(option) == Value::Off)
            .collect();
        if !missing.is_empty() {
            let name = format!("driver {}", driver.module);
            difference.missing.push((name, missing));
        } else if let Some(own) = driver.options.last()
            && config.value(own) == Value::Module
        {
            difference.modules.push((driver.module, own));
        }
    }
    let advice = GOOD.iter().copied();
    difference.advice = advice
        .filter(|(option, _)| config.value(option) == Value::Off)
        .collect();
    difference
}

impl Difference {
    /// Whether all shipped recipes run with it, if its modules are given.
    pub fn is_enough(&self) -> bool {
        self.missing.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, options) in &self.missing {
            let options: Vec<String> = options.iter().map(|option| format!("CONFIG_{option}")).collect();
            writeln!(f, "missing  {}  ({name})", options.join(" "))?;
        }
        for (module, option) in &self.modules {
            writeln!(
                f,
                "module   CONFIG_{option}=m  (driver {module}: give its modules to --kernel too)"
            )?;
        }
        for (option, reason) in &self.advice {
            writeln!(f, "advice   CONFIG_{option}  ({reason})")?;
        }
        Ok(())
    }
}
