// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU that several threads share.

use core::ops::{Deref, DerefMut};

use crate::device::smmu::Smmu;
use crate::epoch::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle to an SMMU: a clone is another handle to the same one, for another thread.
///
/// Register accesses and transactions take the SMMU's lock; a [`Tbu`](crate::Tbu), which is made of a handle,
/// translates most accesses without it.
///
/// ```
/// use smmu_emu::{Config, Plan, Smmu, SmmuHandle, Tbu};
///
/// let smmu = SmmuHandle::new(Smmu::new(&Config::default(), Plan::default())?);
/// let dma = Tbu::new(&smmu);
/// assert_eq!(smmu.lock().context_banks(), 16);
/// # Ok::<(), smmu_emu::NewError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SmmuHandle(Arc<Mutex<Smmu>>);

/// The SMMU behind a [`SmmuHandle`], locked until this is dropped.
#[derive(Debug)]
pub struct SmmuGuard<'a>(MutexGuard<'a, Smmu>);

impl SmmuHandle {
    /// A handle to this SMMU.
    #[must_use]
    pub fn new(smmu: Smmu) -> Self {
        Self(Arc::new(Mutex::new(smmu)))
    }

    /// Waits for the lock. A thread that holds it must not ask again, nor let a [`Tbu`](crate::Tbu) or a view of this
    /// SMMU do so: it would wait for itself.
    ///
    /// A panic of a thread that held the lock does not keep others out.
    #[inline]
    pub fn lock(&self) -> SmmuGuard<'_> {
        SmmuGuard(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl From<Smmu> for SmmuHandle {
    fn from(smmu: Smmu) -> Self {
        Self::new(smmu)
    }
}

impl Deref for SmmuGuard<'_> {
    type Target = Smmu;

    #[inline]
    fn deref(&self) -> &Smmu {
        &self.0
    }
}

impl DerefMut for SmmuGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Smmu {
        &mut self.0
    }
}
