// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One command: its row in the table, its arguments, and what it acts on.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use smmu_emu::plan::Number;
use smmu_emu::{AccessKind, MarkRule};

use crate::client::device::Device;
use crate::control::qmp::Error;
use crate::host::Run;

/// One argument of a command.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Kind of the value, in words.
    pub kind: &'static str,
    /// Whether it may be left out.
    pub required: bool,
    /// Purpose.
    pub about: &'static str,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Effect.
    pub about: &'static str,
    /// Arguments.
    pub arguments: &'static [Argument],
    /// Result, in words.
    pub returns: &'static str,
    /// Arguments of an example, as for `vfio-server ctl`.
    pub example: &'static str,
    /// Carries it out.
    pub run: fn(&Context, Map<String, Value>) -> Result<Value, Error>,
}

/// SMMUs and run that the commands act on.
#[derive(Clone, Debug)]
pub struct Context {
    devices: Vec<Device>,
    run: Arc<Run>,
}

impl Context {
    /// Context of these SMMUs, which are in one run; there has to be one.
    #[must_use]
    pub fn new(devices: &[Device]) -> Option<Self> {
        let run = Arc::clone(devices.first()?.lock().host().run());
        Some(Self {
            devices: devices.to_vec(),
            run,
        })
    }

    /// The run of the SMMUs.
    #[must_use]
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Adds marks that watch these SMMUs, and says which number the first has.
    pub(super) fn add_marks(&self, rules: &[MarkRule]) -> Result<usize, Error> {
        let smmus: Vec<&str> = self.devices.iter().map(|device| device.name.as_str()).collect();
        self.run.add_marks(rules, &smmus).map_err(Error::generic)
    }

    /// The seed of the run, which is that of the first SMMU.
    pub(super) fn seed(&self) -> u64 {
        self.devices
            .first()
            .map_or(0, |device| device.lock().smmu().seed())
    }

    /// All SMMUs.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The SMMU of this name; the only one if there is no name.
    pub(super) fn device(&self, name: Option<&str>) -> Result<&Device, Error> {
        let names = || {
            self.devices
                .iter()
                .map(|device| device.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        match (name, self.devices.as_slice()) {
            (None, [device]) => Ok(device),
            (None, _) => Err(Error::generic(format_args!(
                "`smmu` is missing: one of {}",
                names()
            ))),
            (Some(name), devices) => devices
                .iter()
                .find(|device| device.name == name)
                .ok_or_else(|| Error::generic(format_args!("`smmu`: {name:?} is none of: {}", names()))),
        }
    }

    /// The SMMU of this name; all if there is no name.
    pub(super) fn some_or_all(&self, name: Option<&str>) -> Result<Vec<&Device>, Error> {
        match name {
            None => Ok(self.devices.iter().collect()),
            Some(_) => self.device(name).map(|device| vec![device]),
        }
    }
}

/// The arguments as their type.
pub(super) fn typed<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Error> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Error::generic(format_args!("arguments: {error}")))
}

/// Words for the kind of an argument of this type.
pub(super) trait Kind {
    const KIND: &'static str;
    const REQUIRED: bool = true;
}

impl Kind for String {
    const KIND: &'static str = "string";
}

impl Kind for bool {
    const KIND: &'static str = "boolean";
}

impl<T: Kind> Kind for Option<T> {
    const KIND: &'static str = T::KIND;
    const REQUIRED: bool = false;
}

impl Kind for AccessKind {
    const KIND: &'static str = "`read` or `write`";
}

impl Kind for Number {
    const KIND: &'static str = "number, or string such as \"0x1f\"";
}

/// A number as a type of fewer bits.
pub(super) fn narrow<T: TryFrom<u64>>(Number(number): Number, argument: &str) -> Result<T, Error> {
    T::try_from(number).map_err(|_| Error::generic(format_args!("`{argument}`: {number} is too large")))
}

/// Declares the arguments of a command: the type that they are read into and the rows that document them.
macro_rules! arguments {
    ($name:ident { $( $(#[doc = $doc:literal])+ $(#[serde($serde:meta)])? $field:ident: $type:ty, )* }) => {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $( $(#[serde($serde)])? pub(super) $field: $type, )* }

        impl $name {
            pub(super) const ARGUMENTS: &[$crate::control::commands::command::Argument] = &[$(
                $crate::control::commands::command::Argument {
                    name: stringify!($field),
                    kind: <$type as $crate::control::commands::command::Kind>::KIND,
                    required: <$type as $crate::control::commands::command::Kind>::REQUIRED,
                    about: concat!($($doc),+),
                },
            )*];
        }
    };
}
pub(super) use arguments;

arguments!(Nothing {});

arguments!(OneOrAll {
    /// Name of the SMMU; all if left out.
    smmu: Option<String>,
});
