// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Checks of a recipe beyond its types: names that refer to each other, ranges, what fits together.

use std::ops::Range;

use guest_images::machine::board::Board;
use guest_images::machine::layout::Layout;
use guest_images::packages::lock::Lock;
use smmu_emu::{MarkRule, Marks, NewError, Plan, Smmu};
use toml::Spanned;
use vfio_server::config::Interrupts;

use super::names::{is_module, is_name, list, references, unknown_mark};
use super::places::Places;
use super::problem::{Checked, problem};
use super::{
    Action, DEFAULT_SETTLE_MS, MAX_SETTLE_MS, Recipe, SCHEMA, SmmuModel, Step, Written, expect, master,
    registers, step,
};

pub(super) fn recipe(written: Written, places: &Places<'_>) -> Checked<Recipe> {
    let Written {
        schema,
        name,
        summary,
        why,
        expect,
        expect_boots,
        inconclusive,
        allow_unbound,
        cmdline,
        modules,
        tools,
        kernel_image,
        quiet,
        dmesg_drop,
        settle_ms,
        board,
        smmus,
        images,
        marks,
        steps,
    } = written;
    if let Some(schema) = schema
        && *schema.get_ref() != SCHEMA
    {
        let text = format!(
            "`schema` = {}: this program reads schema {SCHEMA}",
            schema.get_ref()
        );
        return problem(schema.span(), text);
    }
    if !is_name(name.get_ref()) {
        return problem(name.span(), "`name`: a name is 1 to 40 of a-z, 0-9 and '-'");
    }
    let settle_ms = match settle_ms {
        Some(ms) if *ms.get_ref() > MAX_SETTLE_MS => {
            return problem(
                ms.span(),
                format!("`settle_ms` = {}: at most {MAX_SETTLE_MS}", ms.get_ref()),
            );
        }
        Some(ms) => ms.into_inner(),
        None => DEFAULT_SETTLE_MS,
    };
    for module in &modules {
        if !is_module(module.get_ref()) {
            return problem(
                module.span(),
                format!("{:?} is not the name of a module", module.get_ref()),
            );
        }
    }
    let modules: Vec<String> = modules.into_iter().map(Spanned::into_inner).collect();
    let images = master::images(images)?;
    let tools = tools_of(tools)?;
    let mark_names: Vec<String> = marks.iter().map(|mark| mark.get_ref().name.clone()).collect();
    let board_span = board.span();
    let board = board.into_inner();
    let smmus = models(&board, &board_span, smmus, &mark_names, places)?;
    master::check(&board, &smmus, &images).or_else(|(name, text)| {
        let span = places.master(&name).unwrap_or_else(|| board_span.clone());
        problem(span, text)
    })?;
    let layout = match Layout::new(&board, &super::shapes(&smmus)) {
        Ok(layout) => layout,
        Err(error) => {
            let span = places.on_board(&error.place).unwrap_or(board_span);
            return problem(span, error.to_string());
        }
    };
    let expect = expect::expectations(expect, inconclusive, allow_unbound, expect_boots, &layout)?;
    let marks = marks_of(&board, marks)?;
    let steps = steps_of(steps, &modules, &mark_names, &layout)?;
    Ok(Recipe {
        name: name.into_inner(),
        summary,
        why,
        expect,
        cmdline,
        modules,
        tools,
        kernel_image,
        quiet,
        dmesg_drop,
        settle_ms,
        board,
        smmus,
        images,
        marks,
        steps,
    })
}

/// The packages that the guest gets, each of the lock file.
fn tools_of(written: Vec<Spanned<String>>) -> Checked<Vec<String>> {
    let mut tools = Vec::with_capacity(written.len());
    for name in written {
        let locked = Lock::shipped().and_then(|lock| lock.tools(name.get_ref()).map(drop));
        if let Err(error) = locked {
            return problem(name.span(), format!("`tools`: {error}"));
        }
        tools.push(name.into_inner());
    }
    Ok(tools)
}

/// Keys of the arrays of a plan's rules.
const DELAY: &[&str] = &["delay"];
const INJECTION: &[&str] = &["injection", "fault"];

/// Place of the rule that an error of the plan names.
fn place_of(places: &Places<'_>, smmu: &str, error: &NewError) -> Option<Range<usize>> {
    let NewError::Plan(rule) = error else { return None };
    let is_delay = rule.family.to_string() == "delay";
    let keys = if is_delay { DELAY } else { INJECTION };
    places.of_smmu(smmu, keys, rule.rule.checked_sub(1)?)
}

/// A model for each SMMU of the board.
fn models(
    board: &Board,
    board_span: &Range<usize>,
    written: Vec<Spanned<SmmuModel>>,
    marks: &[String],
    places: &Places<'_>,
) -> Checked<Vec<SmmuModel>> {
    for (i, smmu) in written.iter().enumerate() {
        let name = &smmu.get_ref().name;
        if !board.smmus.iter().any(|on_board| on_board.name == *name) {
            let names = list(board.smmus.iter().map(|s| s.name.as_str()));
            return problem(
                smmu.span(),
                format!("smmu \"{name}\" is not on the board, which has {names}"),
            );
        }
        if written.iter().take(i).any(|other| other.get_ref().name == *name) {
            return problem(smmu.span(), format!("smmu \"{name}\" is described twice"));
        }
    }
    let mut models = Vec::with_capacity(board.smmus.len());
    for on_board in &board.smmus {
        let own = written.iter().find(|smmu| smmu.get_ref().name == on_board.name);
        let span = own.map_or(board_span.clone(), Spanned::span);
        let mut model = own.map_or_else(
            || SmmuModel {
                name: on_board.name.clone(),
                model: smmu_emu::Config::default(),
                delays: Vec::new(),
                masters: Vec::new(),
                injections: Vec::new(),
                clock: None,
                interrupts: Interrupts::default(),
            },
            |own| own.get_ref().clone(),
        );
        let coherent = *model.model.coherent_walk.get_or_insert(on_board.coherent);
        if coherent != on_board.coherent {
            let text = format!(
                "smmu \"{}\": the model's `coherent_walk` = {coherent}, the board's `coherent` = {}; \
                 Linux needs them equal",
                on_board.name, on_board.coherent
            );
            return problem(span, text);
        }
        let plan = Plan {
            delays: model.delays.clone(),
            injections: model.injections.clone(),
            ..Plan::default()
        };
        let smmu = match Smmu::new(&model.model, plan) {
            Ok(smmu) => smmu,
            Err(error) => {
                let place = place_of(places, &on_board.name, &error);
                let text = format!("smmu \"{}\": {error}", on_board.name);
                return problem(place.unwrap_or(span), text);
            }
        };
        if let Err(error) = vfio_server::config::dma_devices::check(&model.masters, smmu.geometry()) {
            let span = places.master(&error.name).unwrap_or(span);
            return problem(span, format!("smmu \"{}\": {error}", on_board.name));
        }
        let of_delays = model.delays.iter().enumerate().flat_map(|(number, rule)| {
            [
                ("until", &rule.until),
                ("after", &rule.after),
                ("before", &rule.before),
            ]
            .map(|named| (DELAY, number, named))
        });
        let of_injections = model.injections.iter().enumerate().flat_map(|(number, rule)| {
            [("after", &rule.after), ("before", &rule.before)].map(|named| (INJECTION, number, named))
        });
        for (keys, number, (key, mark)) in of_delays.chain(of_injections) {
            if let Some(mark) = mark
                && !marks.contains(mark)
            {
                let place = places.of_smmu(&on_board.name, keys, number);
                return problem(place.unwrap_or(span), unknown_mark(key, mark, marks));
            }
        }
        models.push(model);
    }
    Ok(models)
}

fn marks_of(board: &Board, marks: Vec<Spanned<MarkRule>>) -> Checked<Vec<MarkRule>> {
    let smmus: Vec<&str> = board.smmus.iter().map(|s| s.name.as_str()).collect();
    let rules: Vec<MarkRule> = marks.iter().map(|mark| mark.get_ref().clone()).collect();
    match Marks::new(rules.clone(), &smmus) {
        Ok(_) => Ok(rules),
        Err(error) => {
            // The last one of that name: the error may be that there are two.
            let at = marks.iter().rfind(|mark| mark.get_ref().name == error.name);
            problem(at.map_or(0..0, Spanned::span), error.to_string())
        }
    }
}

fn steps_of(
    written: Vec<Spanned<step::Written>>,
    modules: &[String],
    marks: &[String],
    layout: &Layout,
) -> Checked<Vec<Step>> {
    let mut steps = Vec::with_capacity(written.len());
    for (number, step) in (1..).zip(written) {
        let span = step.span();
        let step = match step.into_inner().step() {
            Ok(step) => step,
            Err(text) => return problem(span, format!("step {number}: {text}")),
        };
        if let Some(mark) = &step.raises
            && !marks.contains(mark)
        {
            return problem(
                span,
                format!("step {number}: {}", unknown_mark("raises", mark, marks)),
            );
        }
        if let Err(text) = action(&step.action, modules, marks, layout) {
            return problem(span, format!("step {number}: {text}"));
        }
        steps.push(step);
    }
    Ok(steps)
}

fn action(action: &Action, modules: &[String], marks: &[String], layout: &Layout) -> Result<(), String> {
    match action {
        Action::Load { module, .. } if !modules.contains(module) => {
            return Err(format!(
                "module \"{module}\" is not in `modules`, which has {}",
                list(modules)
            ));
        }
        // Dependencies are packed without being named, so a module to unload need not be in the list.
        Action::Unload { module } if !is_module(module) => {
            return Err(format!("{module:?} is not the name of a module"));
        }
        Action::WaitMark { mark, .. } if !marks.contains(mark) => {
            return Err(unknown_mark("wait_mark", mark, marks));
        }
        Action::Reboot { mark } if !marks.contains(mark) => {
            return Err(unknown_mark("reboot", mark, marks));
        }
        Action::RaiseMark { mark } if !marks.contains(mark) => {
            return Err(unknown_mark("raise_mark", mark, marks));
        }
        Action::Run { commands, .. } | Action::Shell { commands } => registers::check(commands, layout)?,
        _ => {}
    }
    for text in action.texts() {
        for name in references(text) {
            if layout.sysfs_name(name).is_none() {
                let clients = layout.clients.iter().map(|c| c.name.as_str());
                let smmus = layout.smmus.iter().map(|s| s.name.as_str());
                return Err(format!(
                    "`${{{name}}}` is neither a client nor an SMMU; there are {}",
                    list(clients.chain(smmus))
                ));
            }
        }
    }
    Ok(())
}
