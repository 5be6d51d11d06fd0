// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Drivers and options of the kernel that a recipe needs, and the devices that wait for a driver that is built in.
//!
//! A step `load` is the moment from which a driver binds. A driver that is built in binds at boot, so the devices for
//! which a step loads it are held back: they stand in the device tree without a driver, and the step names the driver
//! to them (`driver_override`) and probes them, in the order of the tree, as loading the module does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use guest_images::machine::board::{ClientKind, SupplierKind};
use guest_images::machine::dt::Held;
use guest_images::machine::layout::Layout;
use guest_images::packages::release::knows_late_probe;
use guest_images::system::drivers::{self, Purpose};
use guest_images::system::initramfs::ExtraFile;
use guest_images::system::inventory::{Inventory, Missing, State};
use guest_images::system::kernel::{Kernel, KernelError};
use guest_images::system::modules::normal_name;

use crate::recipe::{Action, FindingKind, Recipe, Step};
use crate::setup::environment::EnvironmentError;
use crate::setup::pages::Tables;

#[cfg(test)]
mod tests;

/// List in the guest of the modules that are loaded before the first step.
const EARLY: &str = "/lib/modules/early";
/// Directory in the guest with a list of the devices that wait for a driver.
const HELD: &str = "/lib/modules/held";

/// Drivers and options that a kernel has to have.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Drivers, by the names of their modules.
    pub modules: Vec<String>,
    /// Purposes whose options have to be on.
    pub purposes: Vec<Purpose>,
    /// Name of the recipe if it looks for the late-probe warning, which kernels before 6.15 do not have.
    pub late_probe: Option<String>,
    /// Modules that steps unload, and that no device on the board waits for: they cannot be built in.
    pub unloads: Vec<String>,
    /// Translation tables of the SMMUs.
    pub tables: Tables,
    /// Modules are loaded before the first step and then taken for built in: what recipes do on a kernel with its
    /// drivers built in can so be seen on any kernel.
    pub as_built_in: bool,
}

/// Drivers of a recipe that are there before its first step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    /// Those that are built in, or taken for it.
    pub builtin: BTreeSet<String>,
    /// Those of them that are modules.
    pub early: BTreeSet<String>,
}

impl Present {
    /// Those that the kernel itself contains.
    pub fn in_kernel(&self) -> BTreeSet<String> {
        self.builtin.difference(&self.early).cloned().collect()
    }

    /// The list of the modules that the script loads before the first step.
    pub fn files(&self) -> Option<ExtraFile> {
        let lines = self.early.iter().map(|module| format!("{module}\n"));
        (!self.early.is_empty()).then(|| ExtraFile {
            path: EARLY.to_owned(),
            mode: 0o644,
            contents: lines.collect::<String>().into_bytes(),
        })
    }
}

/// Inventory of the kernel that was looked at last, which many recipes in a row share: to read one takes long.
#[derive(Debug, Clone, Default)]
pub struct Inventories(Arc<Mutex<Option<LookedAt>>>);

/// A kernel and its inventory.
type LookedAt = (Kernel, Arc<Inventory>);

impl Inventories {
    /// The inventory of `kernel`.
    ///
    /// # Errors
    /// As [`Inventory::of`].
    fn of(&self, kernel: &Kernel) -> Result<Arc<Inventory>, KernelError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, inventory)) if known == kernel => Ok(Arc::clone(inventory)),
            _ => {
                let inventory = Arc::new(Inventory::of(kernel)?);
                *last = Some((kernel.clone(), Arc::clone(&inventory)));
                Ok(inventory)
            }
        }
    }
}

impl Needs {
    /// The needs of a recipe.
    pub fn of(recipe: &Recipe) -> Self {
        let has_tool = |name: &str| recipe.tools.iter().any(|tool| tool == name);
        let suspends = recipe.steps.iter().any(|step| match &step.action {
            Action::Run { commands, .. } | Action::Shell { commands } => commands.contains("/sys/power/"),
            Action::Write { path, .. } => path.starts_with("/sys/power/"),
            _ => false,
        });
        let of_purpose = |purpose: &Purpose| match purpose {
            Purpose::Boot => true,
            Purpose::Clock => recipe.smmus.iter().any(|smmu| smmu.clock.is_some()),
            Purpose::PowerDomain => recipe.board.smmus.iter().any(|smmu| smmu.power_domain),
            Purpose::Delay => recipe
                .board
                .suppliers
                .iter()
                .any(|supplier| supplier.startup_delay_us.is_some()),
            Purpose::Suspend => suspends,
            Purpose::Kexec => has_tool("kexec-tools"),
            Purpose::Systemd => has_tool("systemd"),
        };
        Self {
            modules: recipe.modules.clone(),
            purposes: Purpose::ALL.into_iter().filter(of_purpose).collect(),
            late_probe: recipe
                .expect
                .wants(FindingKind::LateProbe)
                .then(|| recipe.name.clone()),
            unloads: unloads(recipe),
            tables: Tables::of(recipe),
            as_built_in: false,
        }
    }

    /// Whether a kernel of this release can print what the recipe looks for.
    ///
    /// # Errors
    /// [`EnvironmentError::CannotPrint`].
    pub fn check_release(&self, release: &str) -> Result<(), EnvironmentError> {
        match &self.late_probe {
            Some(recipe) if knows_late_probe(release) == Some(false) => Err(EnvironmentError::CannotPrint {
                release: release.to_owned(),
                recipe: recipe.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The drivers that are there from boot, if the kernel has everything.
    ///
    /// # Errors
    /// [`EnvironmentError::Missing`] with everything that it does not have; [`EnvironmentError::CannotPrint`],
    /// [`EnvironmentError::Pages`], [`EnvironmentError::NotUnloaded`].
    pub fn check(&self, kernel: &Kernel, known: &Inventories) -> Result<Present, EnvironmentError> {
        self.check_release(&kernel.release)?;
        let source = || kernel.source.clone();
        if let Err(problem) = self.tables.check(&kernel.image) {
            return Err(EnvironmentError::Pages {
                kernel: source(),
                problem,
            });
        }
        let inventory = known.of(kernel)?;
        let (mut present, mut missing) = (Present::default(), Missing::default());
        for module in &self.modules {
            match inventory.state(module) {
                State::Module if self.as_built_in => {
                    present.builtin.insert(module.clone());
                    present.early.insert(module.clone());
                }
                State::Module => {}
                State::BuiltIn => {
                    present.builtin.insert(module.clone());
                }
                State::Absent { options, because } => {
                    missing.modules.insert(module.clone(), (options, because));
                }
            }
        }
        let options = self
            .purposes
            .iter()
            .flat_map(|purpose| inventory.missing(*purpose));
        missing.options = options.collect();
        if !missing.is_empty() {
            missing.source = inventory.config_source().unwrap_or_default().to_owned();
            return Err(EnvironmentError::Missing {
                kernel: source(),
                missing,
            });
        }
        let unloads = self.unloads.iter();
        let stay = unloads.filter(|module| matches!(inventory.state(module), State::BuiltIn));
        let modules: Vec<String> = stay.cloned().collect();
        if !modules.is_empty() {
            return Err(EnvironmentError::NotUnloaded {
                kernel: source(),
                modules,
            });
        }
        Ok(present)
    }
}

/// Modules that steps of a recipe unload, except those whose driver, if it is built in, has only devices that wait for
/// it: a step takes it from them.
fn unloads(recipe: &Recipe) -> Vec<String> {
    let modules = recipe.steps.iter().filter_map(|step| match &step.action {
        Action::Unload { module } => Some(module.clone()),
        _ => None,
    });
    let modules: BTreeSet<String> = modules.collect();
    let held = recipe
        .layout()
        .map(|layout| HeldDevices::of(recipe, &layout, &modules))
        .unwrap_or_default();
    let waited_for = |module: &String| held.by_module.contains_key(module) && !held.at_boot.contains(module);
    modules.into_iter().filter(|module| !waited_for(module)).collect()
}

/// A device that waits for a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    /// Name on the board.
    name: String,
    /// Name in sysfs.
    device: String,
}

/// Devices that wait for a driver that is built in, by the module of its `load` step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldDevices {
    by_module: BTreeMap<String, Vec<Waiting>>,
    /// Modules with a device that does not wait: its driver is there before the bus adds it.
    at_boot: BTreeSet<String>,
}

impl HeldDevices {
    /// The devices of a recipe, on a kernel that has the modules `builtin` built in.
    pub fn of(recipe: &Recipe, layout: &Layout, builtin: &BTreeSet<String>) -> Self {
        let loaded_by = |wanted: &str| {
            let loads = |step: &Step| match &step.action {
                Action::Load { module, .. } => normal_name(module) == normal_name(wanted),
                _ => false,
            };
            recipe.steps.iter().position(loads)
        };
        let bus_driver = loaded_by("dwc3-of-simple");
        let (mut by_module, mut at_boot) = (BTreeMap::new(), BTreeSet::new());
        for module in builtin {
            let Some(step) = loaded_by(module) else { continue };
            let mut devices = Vec::new();
            for client in &recipe.board.clients {
                if drivers::of_module(module).map(|driver| driver.module) != driver_of(client.kind) {
                    continue;
                }
                // A child whose driver is there before the bus adds it finds its driver then.
                let late = client.parent.is_none() || bus_driver.is_none_or(|bus| bus < step);
                match layout.sysfs_name(&client.name) {
                    Some(device) if late => devices.push(Waiting {
                        name: client.name.clone(),
                        device,
                    }),
                    _ => {
                        at_boot.insert(module.clone());
                    }
                }
            }
            if normal_name(module) == "fixed" {
                let regulators = recipe
                    .board
                    .suppliers
                    .iter()
                    .filter(|supplier| supplier.kind == SupplierKind::RegulatorFixed);
                devices.extend(regulators.map(|supplier| Waiting {
                    name: supplier.name.clone(),
                    device: format!("regulator-{}", supplier.name),
                }));
            }
            if !devices.is_empty() {
                by_module.insert(module.clone(), devices);
            }
        }
        Self { by_module, at_boot }
    }

    /// Their names on the board.
    pub fn names(&self) -> Held {
        let devices = self.by_module.values().flatten();
        devices.map(|waiting| waiting.name.clone()).collect()
    }

    /// The lists that the steps read: `BUS DRIVER DEVICE` in each line.
    pub fn files(&self) -> Vec<ExtraFile> {
        let mut files = Vec::new();
        for (module, devices) in &self.by_module {
            let Some((bus, driver)) = drivers::of_module(module).and_then(|driver| driver.binds) else {
                continue;
            };
            let lines = devices
                .iter()
                .map(|waiting| format!("{bus} {driver} {}\n", waiting.device));
            let list: String = lines.collect();
            // Under both spellings, as with the modules.
            for spelling in BTreeSet::from([module.clone(), normal_name(module)]) {
                files.push(ExtraFile {
                    path: format!("{HELD}/{spelling}"),
                    mode: 0o644,
                    contents: list.clone().into_bytes(),
                });
            }
        }
        files
    }
}

/// Module of the driver that binds a kind of client, if steps may load it.
fn driver_of(kind: ClientKind) -> Option<&'static str> {
    match kind {
        ClientKind::VirtioMmio
        | ClientKind::VirtioBlk
        | ClientKind::VirtioRng
        | ClientKind::VirtioConsole => Some("virtio_mmio"),
        ClientKind::Sp805 => Some("sp805_wdt"),
        ClientKind::Bus => Some("dwc3-of-simple"),
        // The PL330 is known by its peripheral ID alone, and binds at boot; nothing binds the others.
        ClientKind::Pl330 | ClientKind::Plain | ClientKind::TestMaster => None,
    }
}
