//! How much comes out of an archive, and how much may.

use chutes_core::HumanSize;

use super::UnpackLimits;
use super::member::Member;
use crate::VolumeError;
use crate::settings::RATIO_VARIABLE;

/// Counts what is announced, then what comes out.
pub(super) struct Meter<'a> {
    limits: &'a UnpackLimits,
    /// The size of the archive.
    packed: u64,
    /// What the members say that they take of the archive.
    announced_packed: u64,
    /// What they say that they are.
    announced: u64,
    unpacked: u64,
}

impl<'a> Meter<'a> {
    pub(super) const fn new(limits: &'a UnpackLimits, packed: u64) -> Self {
        Self { limits, packed, announced_packed: 0, announced: 0, unpacked: 0 }
    }

    pub(super) const fn limits(&self) -> &'a UnpackLimits {
        self.limits
    }

    /// What has come out so far.
    pub(super) const fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Takes note of a member before anything is unpacked.
    pub(super) fn announce(&mut self, member: &Member) -> Result<(), VolumeError> {
        self.announced = self.announced.saturating_add(member.bytes);
        self.announced_packed = self.announced_packed.saturating_add(member.packed_bytes);
        // Members that share bytes are how a small archive becomes large without compressing much.
        if self.announced_packed > self.packed {
            return Err(refused(member, "takes more of it than there is: its members overlap"));
        }
        self.check(self.announced, member)
    }

    /// Counts bytes of a member that came out, before they are written.
    pub(super) fn count(&mut self, member: &Member, bytes: u64) -> Result<(), VolumeError> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        self.check(self.unpacked, member)
    }

    fn check(&self, total: u64, member: &Member) -> Result<(), VolumeError> {
        let UnpackLimits { bytes, ratio, ratio_from, .. } = *self.limits;
        if total > bytes {
            let limit = HumanSize(bytes);
            return Err(refused(member, &format!("is where more than {limit} come out of it")));
        }
        if total > ratio_from && total > self.packed.saturating_mul(ratio) {
            let what = format!(
                "is where more than {ratio} times its size come out of it, as of a bomb: if it is none, set \
                 {RATIO_VARIABLE}"
            );
            return Err(refused(member, &what));
        }
        Ok(())
    }
}

fn refused(member: &Member, what: &str) -> VolumeError {
    VolumeError::download_failed(format!("{} in the zip file {what}", member.shown()))
}
