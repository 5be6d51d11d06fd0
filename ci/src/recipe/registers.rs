// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Registers in the steps of a recipe: addresses for `${name.reg}` and `${name.clock}`, and the table of `smmu_reg`.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use guest_images::machine::layout::Layout;
use smmu_emu::{Frame, Plan, Smmu};

use super::{Action, Recipe};

/// Shell function that names registers of an SMMU.
const FUNCTION: &str = "smmu_reg";
/// Kernel argument that lets a program map the registers of a device that has a driver (`CONFIG_IO_STRICT_DEVMEM`).
pub const RELAXED: &str = "iomem=relaxed";

/// Physical address of the register block that a reference such as `dma.reg` or `a.clock` stands for.
fn address(layout: &Layout, reference: &str) -> Option<u64> {
    let (name, block) = reference.split_once('.')?;
    let smmu = layout.smmu(name);
    match block {
        "reg" => {
            let client = layout.client(name).and_then(|client| client.registers);
            client.or(smmu.map(|smmu| smmu.registers))
        }
        "clock" => smmu.and_then(|smmu| smmu.clock),
        _ => None,
    }
}

/// References to register blocks in a script.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let names = text
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name);
    names.filter(|name| name.ends_with(".reg") || name.ends_with(".clock"))
}

/// Puts in the addresses.
pub fn resolve(text: &str, layout: &Layout) -> String {
    let mut resolved = text.to_owned();
    for reference in references(text) {
        if let Some(address) = address(layout, reference) {
            resolved = resolved.replace(&format!("${{{reference}}}"), &format!("{address:#x}"));
        }
    }
    resolved
}

/// Checks the references of a script.
///
/// # Errors
/// The first one that no register block has, in words.
pub(super) fn check(text: &str, layout: &Layout) -> Result<(), String> {
    match references(text).find(|reference| address(layout, reference).is_none()) {
        None => Ok(()),
        Some(unknown) => Err(format!(
            "`${{{unknown}}}` is no register block: `.reg` goes with a client that has one or with an SMMU, \
             `.clock` with an SMMU that has a `clock` of its model"
        )),
    }
}

/// The scripts of the steps that run one.
fn scripts(recipe: &Recipe) -> impl Iterator<Item = &str> {
    recipe.steps.iter().filter_map(|step| match &step.action {
        Action::Run { commands, .. } | Action::Shell { commands } => Some(commands.as_str()),
        _ => None,
    })
}

/// Whether a step touches registers, for which the kernel needs [`RELAXED`].
pub fn are_touched(recipe: &Recipe) -> bool {
    scripts(recipe).any(|text| text.contains(FUNCTION) || references(text).next().is_some())
}

/// Table of `smmu_reg`: SMMU, register, index, physical address and width in bits of each register. `None` if no step
/// asks for it.
pub fn table(recipe: &Recipe, layout: &Layout) -> Option<String> {
    if !scripts(recipe).any(|text| text.contains(FUNCTION)) {
        return None;
    }
    let mut table = String::new();
    for (model, placed) in recipe.smmus.iter().zip(&layout.smmus) {
        // A recipe with a model that cannot be made is refused.
        let Ok(smmu) = Smmu::new(&model.model, Plan::default()) else {
            continue;
        };
        let banks = (0..smmu.geometry().context_banks).map(Frame::Context);
        for register in [Frame::Gr0, Frame::Gr1]
            .into_iter()
            .chain(banks)
            .flat_map(|frame| smmu.registers_of(frame))
        {
            let _ = writeln!(
                table,
                "{} {} {} {:#x} {}",
                placed.name,
                register.row.name,
                register.index,
                placed.registers + register.offset,
                register.row.width * 8
            );
        }
    }
    Some(table)
}
