// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Choice of the operations that a rule hits: the kernel's fault-injection attributes (Documentation/fault-injection).

use super::problem::Problem;

/// Conditions of a hit, in the order in which they are decided; `docs/plan.md` lists where that differs from the
/// kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// Hit this operation and no other, counted from 1; the attributes below do not count then.
    pub nth: Option<u64>,
    /// Number of hits that are allowed; -1 is no limit.
    pub times: i64,
    /// Let this many operations pass before the first hit.
    pub space: u32,
    /// Hit every n-th operation that comes this far.
    pub interval: u32,
    /// Chance of a hit in percent.
    pub probability: u8,
    /// Detail of the host's log of a hit: 0 nothing, 1 that there was one, 2 which operation it was.
    pub verbose: u8,
}

/// A rule of a plan.
pub(crate) trait Rule {
    /// Conditions under which it hits an operation that it is for.
    fn when(&self) -> When;
    /// The mark that ends its sleep, and the one that ends it.
    fn marks(&self) -> (Option<&str>, Option<&str>);
}

impl When {
    pub(super) fn validate(&self) -> Result<(), Problem> {
        if self.nth == Some(0) {
            return Err(Problem::new("nth", "counts from 1"));
        }
        if self.nth.is_some() {
            let others = [
                ("times", self.times != -1),
                ("space", self.space != 0),
                ("interval", self.interval != 1),
                ("probability", self.probability != 100),
            ];
            if let Some((field, _)) = others.into_iter().find(|(_, given)| *given) {
                return Err(Problem::new(field, "does not go with `nth`, which alone decides"));
            }
        }
        if self.times < -1 {
            return Err(Problem::new("times", "must be -1 (no limit) or more"));
        }
        if self.interval == 0 {
            return Err(Problem::new("interval", "must be 1 or more"));
        }
        if self.probability > 100 {
            return Err(Problem::new("probability", "is in percent and must be 0 to 100"));
        }
        if self.verbose > 2 {
            return Err(Problem::new("verbose", "must be 0, 1 or 2"));
        }
        Ok(())
    }
}

/// Declares a rule: what it is for; its own fields, each of which may be left out, `by` a reader of its own; and behind
/// them those that all rules have. (serde's `flatten` would do without the macro, but not together with
/// `deny_unknown_fields`.)
macro_rules! rule {
    ($(#[$about:meta])* pub struct $name:ident {
        $(#[$first_about:meta])* pub $first:ident: $first_type:ty,
        $( $(#[$field_about:meta])* pub $field:ident: Option<$type:ty> $(by $reader:literal)?, )*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
        #[non_exhaustive]
        pub struct $name {
            $(#[$first_about])* pub $first: $first_type,
            $(
                $(#[$field_about])*
                #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
                $(#[cfg_attr(feature = "serde", serde(deserialize_with = $reader))])?
                pub $field: Option<$type>,
            )*
            /// The rule sleeps until this mark is raised.
            #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
            pub after: Option<String>,
            /// The rule ends when this mark is raised.
            #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
            pub before: Option<String>,
            /// Hit every n-th operation that comes this far.
            #[cfg_attr(feature = "serde", serde(default = "crate::plan::when::one"))]
            pub interval: u32,
            /// Chance of a hit in percent.
            #[cfg_attr(feature = "serde", serde(default = "crate::plan::when::always"))]
            pub probability: u8,
            /// Let this many operations pass before the first hit.
            #[cfg_attr(feature = "serde", serde(default))]
            pub space: u32,
            /// Number of hits that are allowed; -1 is no limit.
            #[cfg_attr(feature = "serde", serde(default = "crate::plan::when::no_limit"))]
            pub times: i64,
            /// Detail of the host's log of a hit: 0 nothing, 1 that there was one, 2 which operation it was.
            #[cfg_attr(feature = "serde", serde(default = "crate::plan::when::in_full"))]
            pub verbose: u8,
            /// Hit this operation and no other, counted from 1 since the rule began: exact replay.
            #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
            pub nth: Option<u64>,
        }

        impl $name {
            /// Names of the rule's own fields that are given.
            pub(super) fn given(&self) -> impl Iterator<Item = &'static str> {
                let fields = [$( (stringify!($field), self.$field.is_some()), )*];
                fields.into_iter().filter_map(|(field, given)| given.then_some(field))
            }
        }

        impl crate::plan::when::Rule for $name {
            fn when(&self) -> crate::plan::when::When {
                crate::plan::when::When {
                    nth: self.nth,
                    times: self.times,
                    space: self.space,
                    interval: self.interval,
                    probability: self.probability,
                    verbose: self.verbose,
                }
            }

            fn marks(&self) -> (Option<&str>, Option<&str>) {
                (self.after.as_deref(), self.before.as_deref())
            }
        }
    };
}
pub(super) use rule;

#[cfg(feature = "serde")]
pub(super) fn no_limit() -> i64 {
    -1
}

#[cfg(feature = "serde")]
pub(super) fn one() -> u32 {
    1
}

#[cfg(feature = "serde")]
pub(super) fn always() -> u8 {
    100
}

#[cfg(feature = "serde")]
pub(super) fn in_full() -> u8 {
    2
}
