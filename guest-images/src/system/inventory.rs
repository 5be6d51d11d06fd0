// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Drivers of a kernel: for each, whether it is a module, built in, or absent. Decided before a boot, from what lies
//! beside the Image and from the Image itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use host_guard::file;
use memchr::memmem;

use crate::packages::release::is_beginning;
use crate::system::drivers::{self, Purpose};
use crate::system::kconfig::{Kconfig, MAX_CONFIG, Value};
use crate::system::kernel::{Kernel, KernelError, MAX_FILE};
use crate::system::modules::{ModuleTree, builtin_names, normal_name};

#[cfg(test)]
mod tests;

/// Largest `System.map`; one of a kernel with everything has 20 MiB.
const MAX_MAP: u64 = 256 << 20;
/// Begin of the symbol of a built-in module's initcall: `__initcall__kmod_virtio_mmio__214_839_virtio_mmio_init6`.
const INITCALL: &str = "__initcall__kmod_";

/// Files of a kernel's build that tell what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// `.config`, or a copy under another name.
    pub config: Option<PathBuf>,
    /// `modules.builtin`, if it is not in the directory of the modules.
    pub builtin: Option<PathBuf>,
    /// `System.map`.
    pub symbols: Option<PathBuf>,
}

/// Form in which a kernel has a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A module, to be loaded.
    Module,
    /// In the Image.
    BuiltIn,
    /// Not to be had.
    Absent {
        /// Options that would bring it, without `CONFIG_`; empty for a module that no table knows.
        options: Vec<&'static str>,
        /// Source of the finding.
        because: String,
    },
}

/// Knowledge of a kernel's drivers.
#[derive(Debug, Default)]
pub struct Inventory {
    tree: Option<ModuleTree>,
    builtin: BTreeSet<String>,
    config: Option<(Kconfig, String)>,
    symbols: Option<(BTreeSet<String>, String)>,
    texts: BTreeSet<&'static str>,
    image: PathBuf,
}

impl Inventory {
    /// Reads what there is.
    ///
    /// # Errors
    /// A file that cannot be read, or that is not what its name says; modules of another kernel.
    pub fn of(kernel: &Kernel) -> Result<Self, KernelError> {
        let evidence = &kernel.evidence;
        let tree = match &kernel.modules {
            Some(directory) => Some(ModuleTree::open(directory, kernel.known_release())?),
            None => None,
        };
        let read = |path: &PathBuf, limit| {
            file::read(path, limit)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .map_err(|source| KernelError::Read {
                    path: path.clone(),
                    source,
                })
        };
        let builtin = match &evidence.builtin {
            Some(path) => builtin_names(&read(path, MAX_CONFIG)?),
            None => BTreeSet::new(),
        };
        let image = file::read(&kernel.image, MAX_FILE).map_err(|source| KernelError::Read {
            path: kernel.image.clone(),
            source,
        })?;
        // What the Image says of itself is true of it; a `.config` may have been changed since.
        let config = match (Kconfig::in_image(&image), &evidence.config) {
            (Some(config), _) => Some((config, "the Image's own configuration".to_owned())),
            (None, Some(path)) => {
                let text = read(path, MAX_CONFIG)?;
                let config = Kconfig::parse(&text).ok_or_else(|| KernelError::Config {
                    path: path.clone(),
                    problem: "no line of it is one of a kernel's configuration".to_owned(),
                })?;
                check_head(&config, path, kernel.known_release())?;
                Some((config, path.display().to_string()))
            }
            (None, None) => None,
        };
        let symbols = match &evidence.symbols {
            Some(path) => Some((initcalls(&read(path, MAX_MAP)?), path.display().to_string())),
            None => None,
        };
        let in_image = |text: &str| memmem::find(&image, format!("{text}\0").as_bytes()).is_some();
        let texts = drivers::DRIVERS.iter().map(|driver| driver.text);
        let texts = texts.filter(|text| in_image(text)).collect();
        Ok(Self {
            tree,
            builtin,
            config,
            symbols,
            texts,
            image: kernel.image.clone(),
        })
    }

    /// Form in which the kernel has a driver, by the name of its module.
    pub fn state(&self, module: &str) -> State {
        let name = normal_name(module);
        if let Some(tree) = &self.tree {
            if tree.has(&name) {
                return State::Module;
            }
            if tree.is_builtin(&name) {
                return State::BuiltIn;
            }
        }
        if self.builtin.contains(&name) {
            return State::BuiltIn;
        }
        let driver = drivers::of_module(module);
        let options: Vec<&'static str> = driver.map_or_else(Vec::new, |driver| driver.options.to_vec());
        let own = options.last().copied();
        if let (Some((config, source)), Some(own)) = (&self.config, own) {
            return match config.value(own) {
                Value::BuiltIn => State::BuiltIn,
                Value::Module => State::Absent {
                    options: Vec::new(),
                    because: format!(
                        "{source} has CONFIG_{own}=m, and no module {name} was given: name the modules with \
                         --modules DIR, or build them"
                    ),
                },
                Value::Off => State::Absent {
                    options: options
                        .into_iter()
                        .filter(|option| config.value(option) == Value::Off)
                        .collect(),
                    because: source.clone(),
                },
            };
        }
        if let Some((symbols, source)) = &self.symbols {
            return if symbols.contains(&name) {
                State::BuiltIn
            } else {
                State::Absent {
                    options,
                    because: source.clone(),
                }
            };
        }
        let because = match (&self.tree, driver) {
            (Some(tree), _) => tree.root().display().to_string(),
            (None, Some(driver)) if self.texts.contains(driver.text) => return State::BuiltIn,
            (None, Some(driver)) => format!(
                "{} has no text \"{}\", and no configuration in it",
                self.image.display(),
                driver.text
            ),
            (None, None) => format!(
                "{} does not say: name the kernel's build directory, or its modules with --modules DIR",
                self.image.display()
            ),
        };
        State::Absent { options, because }
    }

    /// Options of a purpose that are not `y`, without `CONFIG_`; none if the configuration is not known.
    pub fn missing(&self, purpose: Purpose) -> Vec<&'static str> {
        let config = self.config.as_ref();
        config.map_or_else(Vec::new, |(config, _)| purpose.lacking(config))
    }

    /// Source of the configuration, for people.
    pub fn config_source(&self) -> Option<&str> {
        self.config.as_ref().map(|(_, source)| source.as_str())
    }
}

/// Whether a `.config` is that of the kernel.
fn check_head(config: &Kconfig, path: &std::path::Path, release: Option<&str>) -> Result<(), KernelError> {
    let problem = match (&config.head, release) {
        (Some((arch, _)), _) if arch != "arm64" => format!("it is of a kernel for {arch}"),
        (Some((_, version)), Some(release)) if !is_beginning(version, release) => {
            format!(
                "it is of Linux {version}, and the Image is {release}: build the Image again, or \
                 name the other tree"
            )
        }
        _ => return Ok(()),
    };
    let path = path.to_owned();
    Err(KernelError::Config { path, problem })
}

/// The built-in modules that a `System.map` has initcalls of.
fn initcalls(map: &str) -> BTreeSet<String> {
    map.lines()
        .filter_map(|line| line.split_once(INITCALL))
        .filter_map(|(_, rest)| {
            // `NAME__COUNTER_LINE_FUNCTIONLEVEL`; a name may itself hold underscores.
            let (name, _) = rest.split_once("__")?;
            Some(name.to_owned())
        })
        .collect()
}

/// Needs of a run that a kernel does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Modules, each with the options that would bring it and the source of the finding.
    pub modules: BTreeMap<String, (Vec<&'static str>, String)>,
    /// Options of the guest itself.
    pub options: Vec<&'static str>,
    /// Source of the finding about them.
    pub source: String,
}

impl Missing {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty() && self.options.is_empty()
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |options: &[&str]| {
            let names: Vec<String> = options.iter().map(|option| format!("CONFIG_{option}")).collect();
            names.join(", ")
        };
        let mut separator = "";
        for (module, (options, because)) in &self.modules {
            write!(f, "{separator}driver {module}")?;
            match options.as_slice() {
                [] => write!(f, ": {because}")?,
                options => write!(f, " (set {}): according to {because}", list(options))?,
            }
            separator = "; ";
        }
        if !self.options.is_empty() {
            let options = list(&self.options);
            write!(f, "{separator}{options} (not =y in {})", self.source)?;
        }
        Ok(())
    }
}
