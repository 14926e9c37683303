// SPDX-License-Identifier: GPL-2.0

//! Why a probe is refused, and why a site stays a breakpoint: the reasons, their errnos and texts.

use crate::eligibility::reserved::Kind;
use crate::optimizer::Foreign;
use crate::out_of_line::relocate::CopyRefusal;

/// Error numbers of Linux on x86, as the kernel returns them but positive.
pub mod errno {
    /// No such file or directory.
    pub const ENOENT: i32 = 2;
    /// Out of memory.
    pub const ENOMEM: i32 = 12;
    /// Device or resource busy.
    pub const EBUSY: i32 = 16;
    /// File exists.
    pub const EEXIST: i32 = 17;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// File name too long.
    pub const ENAMETOOLONG: i32 = 36;
    /// Illegal byte sequence.
    pub const EILSEQ: i32 = 84;
    /// Operation not supported.
    pub const EOPNOTSUPP: i32 = 95;
    /// Cannot assign requested address.
    pub const EADDRNOTAVAIL: i32 = 99;
}

/// Why a probe, or a command, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A line that begins with none of the commands.
    UnknownCommand,
    /// A probe name with other characters than it may have, or none.
    BadName,
    /// A name longer than any can be.
    NameTooLong,
    /// No target, or one that is neither a symbol nor an address.
    BadTarget,
    /// An offset or address that is no number or does not fit 64 bits.
    BadNumber,
    /// Words behind the target.
    TrailingText,
    /// Something else than a switch takes.
    BadSwitch,
    /// Another probe has the name.
    NameInUse,
    /// No probe has the name.
    NoSuchProbe,
    /// Both a symbol and an address, or neither.
    SymbolOrAddress,
    /// The structure is registered.
    AlreadyRegistered,
    /// The structure is not registered.
    NotRegistered,
    /// No such symbol.
    UnknownSymbol,
    /// Several symbols of the name.
    AmbiguousSymbol,
    /// The offset is behind the function's end.
    OutsideFunction,
    /// Not kernel or module text.
    NotText,
    /// The module is on its way in, and not ready.
    ModuleComing,
    /// The module is on its way out.
    ModuleGoing,
    /// Initialization text of something that is initialized.
    InitTextGone,
    /// Between two instructions' first bytes.
    InsideInstruction,
    /// The function's bytes up to the address are no instructions.
    Undecodable,
    /// Text of this kind cannot be probed.
    Reserved(Kind),
    /// The instruction can neither be emulated nor run out of line.
    Copy(CopyRefusal),
    /// A native kprobe has the address.
    KprobeHere,
    /// A native kprobe's instruction or jump overlaps.
    KprobeNear,
    /// The text is not as its owner left it.
    ForeignText,
    /// The function tracer does not attach there.
    FtraceFailed,
    /// No memory, or no executable memory near the text.
    NoMemory,
}

impl Refusal {
    /// The error number, positive.
    pub const fn errno(self) -> i32 {
        use errno::*;
        match self {
            Refusal::UnknownCommand
            | Refusal::BadName
            | Refusal::BadTarget
            | Refusal::BadNumber
            | Refusal::TrailingText
            | Refusal::BadSwitch
            | Refusal::SymbolOrAddress
            | Refusal::AlreadyRegistered
            | Refusal::NotRegistered
            | Refusal::OutsideFunction
            | Refusal::NotText => EINVAL,
            Refusal::NameTooLong => ENAMETOOLONG,
            Refusal::NameInUse | Refusal::KprobeHere => EEXIST,
            Refusal::NoSuchProbe
            | Refusal::UnknownSymbol
            | Refusal::ModuleComing
            | Refusal::ModuleGoing
            | Refusal::InitTextGone => ENOENT,
            Refusal::AmbiguousSymbol => EADDRNOTAVAIL,
            Refusal::InsideInstruction | Refusal::Undecodable => EILSEQ,
            Refusal::Reserved(kind) => reserved_errno(kind),
            Refusal::Copy(reason) => copy_errno(reason),
            Refusal::KprobeNear | Refusal::ForeignText | Refusal::FtraceFailed => EBUSY,
            Refusal::NoMemory => ENOMEM,
        }
    }

    /// The reason, and what to do.
    pub const fn text(self) -> &'static str {
        match self {
            Refusal::UnknownCommand => {
                "unknown command: write p[:NAME] TARGET, c[:NAME] TARGET or -:NAME"
            }
            Refusal::BadName => "bad probe name: use letters, digits and _, no digit first",
            Refusal::NameTooLong => {
                "name too long: at most 63 bytes for a probe, 55 for a module, 511 for a symbol"
            }
            Refusal::BadTarget => {
                "bad target: write SYMBOL[+OFFSET], MODULE:SYMBOL[+OFFSET] or 0xADDRESS"
            }
            Refusal::BadNumber => "bad number: write decimal or 0x and hex digits, up to 64 bits",
            Refusal::TrailingText => "text behind the target: one command a line",
            Refusal::BadSwitch => "bad value: write 1 or 0",
            Refusal::NameInUse => "name in use: remove that probe first or choose another name",
            Refusal::NoSuchProbe => "no probe of that name: read probes for their names",
            Refusal::SymbolOrAddress => "give either a symbol or an address",
            Refusal::AlreadyRegistered => "already registered: unregister it first",
            Refusal::NotRegistered => "not registered: register it first",
            Refusal::UnknownSymbol => {
                "unknown symbol: look in /proc/kallsyms, and load the module that has it"
            }
            Refusal::AmbiguousSymbol => {
                "ambiguous symbol: choose one of the addresses, or say MODULE:SYMBOL"
            }
            Refusal::OutsideFunction => "offset outside the function: choose a smaller one",
            Refusal::NotText => "not kernel or module text: choose an address in a function",
            Refusal::ModuleComing => "module is being loaded: try again when it is",
            Refusal::ModuleGoing => "module is being unloaded: load it again first",
            Refusal::InitTextGone => "initialization text is freed: it does not run again",
            Refusal::InsideInstruction => {
                "inside an instruction: choose its first byte, see explain"
            }
            Refusal::Undecodable => {
                "undecodable bytes before or at the address: choose another function"
            }
            Refusal::Reserved(kind) => reserved_text(kind),
            Refusal::Copy(reason) => reason.text(),
            Refusal::KprobeHere => "a kprobe is at this address: remove it first",
            Refusal::KprobeNear => "a kprobe overlaps: remove it first or choose another address",
            Refusal::ForeignText => "foreign bytes in the text: find out who changed it",
            Refusal::FtraceFailed => "the function tracer does not attach: probe an offset",
            Refusal::NoMemory => "out of memory: try again with fewer probes",
        }
    }
}

impl From<CopyRefusal> for Refusal {
    fn from(reason: CopyRefusal) -> Self {
        Refusal::Copy(reason)
    }
}

impl From<Foreign> for Refusal {
    fn from(foreign: Foreign) -> Self {
        match foreign {
            Foreign::KprobeHere => Refusal::KprobeHere,
            Foreign::KprobeNear => Refusal::KprobeNear,
            Foreign::Bytes | Foreign::Jump => Refusal::ForeignText,
            Foreign::Ftrace => Refusal::FtraceFailed,
        }
    }
}

const fn reserved_errno(kind: Kind) -> i32 {
    match kind {
        Kind::ExtableInsn | Kind::Ftrace => errno::EOPNOTSUPP,
        _ => errno::EINVAL,
    }
}

/// As kprobes: what is never an instruction to probe is no valid sequence of bytes.
const fn copy_errno(reason: CopyRefusal) -> i32 {
    match reason {
        CopyRefusal::Undecodable
        | CopyRefusal::Breakpoint
        | CopyRefusal::SoftwareInterrupt
        | CopyRefusal::UndefinedInsn => errno::EILSEQ,
        _ => errno::EOPNOTSUPP,
    }
}

const fn reserved_text(kind: Kind) -> &'static str {
    match kind {
        Kind::JumpLabel => "jump label, which the kernel changes: choose the next instruction",
        Kind::StaticCall => "static call, which the kernel changes: choose the next instruction",
        Kind::Ftrace => "function entry without the function tracer: choose an offset",
        Kind::Bug => "BUG or WARN, found by its address: choose another instruction",
        Kind::ExtableInsn => {
            "has an exception-table entry, a fault in our copy would find none: choose another instruction"
        }
        Kind::Blacklist => "in the kprobe blacklist: choose another function",
        Kind::Noinstr => "noinstr or entry text: choose another function",
        Kind::Int3Path => "runs between a breakpoint and its handler: choose another function",
        Kind::OwnText => "text of this module: choose another function",
        Kind::Preamble => "bytes before a function: choose the function",
        Kind::JumpTarget | Kind::ExtableFixup | Kind::PieceTarget => "something jumps here",
    }
}

/// Why a site stays a breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOptimizable {
    /// Five bytes of whole instructions do not fit before the function's end.
    LeavesFunction,
    /// A jump or call of the function, or of another piece of it, lands inside the region.
    JumpInside,
    /// A jump label's target is inside the region.
    JumpLabelTargetInside,
    /// The exception table goes on inside the region.
    FixupInside,
    /// An indirect jump of the function might land inside the region.
    JumpTable,
    /// Nothing known reaches the instruction behind a jump of the region.
    UnknownEntry,
    /// A call is not the region's last instruction.
    CallNotLast,
    /// An instruction behind the first may fault and sleep.
    MaySleep,
    /// The region has reserved text.
    Reserved(Kind),
    /// An instruction of the region cannot be copied.
    Copy(CopyRefusal),
    /// The function does not decode to its end.
    Undecodable,
    /// The detour does not fit its memory.
    TooLong,
}

impl NotOptimizable {
    /// The reason.
    pub const fn text(self) -> &'static str {
        match self {
            NotOptimizable::LeavesFunction => "region leaves the function",
            NotOptimizable::JumpInside => "jump into the region",
            NotOptimizable::JumpLabelTargetInside => "jump label goes into the region",
            NotOptimizable::FixupInside => "exception fix-up in the region",
            NotOptimizable::JumpTable => "jump table may reach the region",
            NotOptimizable::UnknownEntry => "unknown entry into the region",
            NotOptimizable::CallNotLast => "call before the end of the region",
            NotOptimizable::MaySleep => "instruction that may sleep in the region",
            NotOptimizable::Reserved(kind) => match kind {
                Kind::JumpLabel => "jump label in the region",
                Kind::StaticCall => "static call in the region",
                Kind::Ftrace => "function tracer's call in the region",
                Kind::Bug => "BUG or WARN in the region",
                Kind::ExtableInsn => "instruction with exception-table entry in the region",
                Kind::JumpTarget | Kind::ExtableFixup | Kind::PieceTarget => "jump into the region",
                Kind::Blacklist => "blacklisted text in the region",
                Kind::Noinstr => "noinstr text in the region",
                Kind::Int3Path => "text of the breakpoint path in the region",
                Kind::OwnText => "text of this module in the region",
                Kind::Preamble => "function preamble in the region",
            },
            NotOptimizable::Copy(reason) => reason.text(),
            NotOptimizable::Undecodable => "function does not decode",
            NotOptimizable::TooLong => "detour too long",
        }
    }
}

impl From<CopyRefusal> for NotOptimizable {
    fn from(reason: CopyRefusal) -> Self {
        match reason {
            CopyRefusal::CallNotLast => NotOptimizable::CallNotLast,
            CopyRefusal::JumpIntoRegion => NotOptimizable::JumpInside,
            CopyRefusal::NoSpace => NotOptimizable::TooLong,
            _ => NotOptimizable::Copy(reason),
        }
    }
}
