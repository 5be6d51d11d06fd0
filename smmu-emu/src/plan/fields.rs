// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Checks of fields that delays and injections both have.

use super::problem::Problem;
use crate::config::Geometry;
use crate::spec;

/// The fields that are given have to be among those that go with a site or a kind, `what`.
pub(super) fn check_fields(
    mut given: impl Iterator<Item = &'static str>,
    takes: &[&str],
    what: &str,
    name: &str,
) -> Result<(), Problem> {
    match given.find(|field| !takes.contains(field)) {
        Some(field) => Err(Problem::new(
            field,
            format!("does not apply to {what} \"{name}\""),
        )),
        None => Ok(()),
    }
}

/// A bank that a rule names has to exist.
pub(super) fn check_bank(bank: Option<u8>, geometry: &Geometry) -> Result<(), Problem> {
    match bank {
        Some(bank) if u16::from(bank) >= geometry.context_banks => Err(Problem::new(
            "bank",
            format!(
                "must be 0 to {}, the last context bank",
                geometry.context_banks - 1
            ),
        )),
        _ => Ok(()),
    }
}

/// A register has to be given, and to be one of the tables.
pub(super) fn check_register(register: Option<&str>) -> Result<(), Problem> {
    let Some(register) = register else {
        return Err(Problem::new("register", "is missing"));
    };
    if spec::register_names().any(|name| name == register) {
        return Ok(());
    }
    Err(Problem::new(
        "register",
        format!("`{register}` is no register of the model (such as `sCR0`, `SMRn`, `CBn_FSR`)"),
    ))
}
