// SPDX-License-Identifier: GPL-2.0

//! Why a probe is refused, and why a site stays a breakpoint: the reasons, their error numbers and
//! texts.

use super::errno;
use super::kind::Kind;
use crate::optimizer::Foreign;
use crate::out_of_line::relocate::CopyRefusal;
use core::ffi::CStr;

/// Why a probe, or a command, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A line that begins with none of the commands.
    UnknownCommand,
    /// A probe name that is empty or has an invalid character.
    BadName,
    /// A name that is longer than the limit.
    NameTooLong,
    /// No target, or a target that is neither a symbol nor an address.
    BadTarget,
    /// An offset or address that is not a number or does not fit 64 bits.
    BadNumber,
    /// A removal without a name, or with more than a name.
    BadRemoval,
    /// A blank before or after the plus of a target.
    BlankInTarget,
    /// Many places, where one address or a function is needed.
    ManyPlaces,
    /// No function's name matches the pattern.
    NoMatch,
    /// Words after the target that are no settings of the probe.
    TrailingText,
    /// A setting without its value.
    NoValue,
    /// A limit that is not a number or does not fit 32 bits.
    BadLimit,
    /// A value that a switch does not accept.
    BadSwitch,
    /// A line that is longer than the limit.
    LineTooLong,
    /// The task received a signal while it waited.
    Interrupted,
    /// Another probe has the name.
    NameInUse,
    /// No probe has the name.
    NoSuchProbe,
    /// The event of the probe has a consumer.
    EventInUse,
    /// The kernel has no number for another event.
    TooManyEvents,
    /// The arguments of the event are others in the module that was loaded.
    ArgumentsMoved,
    /// Both a symbol and an address, or neither.
    SymbolOrAddress,
    /// The structure is registered.
    AlreadyRegistered,
    /// The structure is not registered.
    NotRegistered,
    /// No symbol has the name.
    UnknownSymbol,
    /// Several symbols have the name.
    AmbiguousSymbol,
    /// The offset is not inside the function.
    OutsideFunction,
    /// The address is in no function.
    NoFunction,
    /// Not kernel or module text.
    NotText,
    /// The module is being loaded.
    ModuleComing,
    /// The module is being unloaded.
    ModuleGoing,
    /// Initialization text, which is freed after the initialization.
    InitTextGone,
    /// Inside an instruction, after its first byte.
    InsideInstruction,
    /// The function's bytes before the address do not decode.
    Undecodable,
    /// Text of this kind cannot be probed.
    Reserved(Kind),
    /// The instruction can neither be emulated nor run out of line.
    Copy(CopyRefusal),
    /// A native kprobe has the address.
    KprobeHere,
    /// A native kprobe's instruction or jump overlaps.
    KprobeNear,
    /// Tasks are registering native kprobes, and one of these may be in bytes that the probe hides.
    KprobesComing,
    /// Foreign code has changed the text.
    ForeignText,
    /// The function tracer does not attach to the address.
    FtraceFailed,
    /// Another user of the function tracer changes where the function continues.
    Redirected,
    /// The caller is a handler.
    InHandler,
    /// The module is being loaded or unloaded.
    NotReady,
    /// No structure, or an empty batch.
    NoProbe,
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
            | Refusal::BadRemoval
            | Refusal::BlankInTarget
            | Refusal::ManyPlaces
            | Refusal::TrailingText
            | Refusal::NoValue
            | Refusal::BadLimit
            | Refusal::BadSwitch
            | Refusal::ArgumentsMoved
            | Refusal::SymbolOrAddress
            | Refusal::AlreadyRegistered
            | Refusal::NotRegistered
            | Refusal::OutsideFunction
            | Refusal::NotText
            | Refusal::NoProbe => EINVAL,
            Refusal::InHandler => EDEADLK,
            Refusal::NotReady => ENODEV,
            Refusal::NameTooLong | Refusal::LineTooLong => ENAMETOOLONG,
            Refusal::Interrupted => EINTR,
            Refusal::NameInUse | Refusal::KprobeHere => EEXIST,
            Refusal::NoSuchProbe
            | Refusal::NoMatch
            | Refusal::UnknownSymbol
            | Refusal::NoFunction
            | Refusal::ModuleComing
            | Refusal::ModuleGoing
            | Refusal::InitTextGone => ENOENT,
            Refusal::AmbiguousSymbol => EADDRNOTAVAIL,
            Refusal::InsideInstruction | Refusal::Undecodable => EILSEQ,
            Refusal::Reserved(kind) => kind.errno(),
            Refusal::Copy(reason) => copy_errno(reason),
            Refusal::EventInUse
            | Refusal::KprobeNear
            | Refusal::KprobesComing
            | Refusal::ForeignText
            | Refusal::FtraceFailed
            | Refusal::Redirected => EBUSY,
            Refusal::TooManyEvents => ENOSPC,
            Refusal::NoMemory => ENOMEM,
        }
    }

    /// The reason, and what the user can do.
    pub const fn text(self) -> &'static str {
        match self.c_text().to_str() {
            Ok(text) => text,
            Err(_) => "",
        }
    }

    /// [`Refusal::text`] for users of C.
    pub const fn c_text(self) -> &'static CStr {
        match self {
            Refusal::UnknownCommand => {
                c"unknown command: write p[:NAME] TARGET, c[:NAME] TARGET or -:NAME"
            }
            Refusal::BadName => {
                c"bad probe name: use letters, digits, _ and dots, a letter or _ first"
            }
            Refusal::NameTooLong => {
                c"name too long: at most 63 bytes for a probe, 55 for a module, 511 for a symbol"
            }
            Refusal::BadTarget => {
                c"bad target: write [MODULE:]SYMBOL[+OFFSET], 0xADDRESS[+OFFSET], SYMBOL+*, SYMBOL+blocks or a pattern"
            }
            Refusal::BadNumber => c"bad number: write decimal or 0x and hex digits, up to 64 bits",
            Refusal::TrailingText => {
                c"text after the target: only limit=N and enable=0 may follow, once each, then arguments in p"
            }
            Refusal::BadRemoval => c"bad removal: write -:NAME and nothing after it",
            Refusal::BlankInTarget => {
                c"blank in the target: write SYMBOL+OFFSET as one word, without blanks"
            }
            Refusal::ManyPlaces => c"many places: explain answers for one TARGET, or for SYMBOL+*",
            Refusal::NoMatch => {
                c"no function matches the pattern: look in /proc/kallsyms, or load its module"
            }
            Refusal::NoValue => c"setting without a value: write limit=N or enable=0",
            Refusal::BadLimit => {
                c"bad limit: write hits a second, at most 4294967295; 0 is no limit"
            }
            Refusal::BadSwitch => c"bad value: write 1 or 0",
            Refusal::LineTooLong => c"line too long: at most 4095 bytes, with its name and all settings",
            Refusal::Interrupted => c"interrupted by a signal: write again",
            Refusal::NameInUse => c"name in use: remove that probe first or choose another name",
            Refusal::NoSuchProbe => c"no probe of that name: read probes for their names",
            Refusal::EventInUse => {
                c"event in use: disable it, and end the perf, BPF and event probes on it"
            }
            Refusal::TooManyEvents => {
                c"too many events: at most 32000 probes of p; count with c"
            }
            Refusal::ArgumentsMoved => {
                c"arguments are others in the loaded module: remove the probe, and add it again"
            }
            Refusal::SymbolOrAddress => c"give either a symbol or an address",
            Refusal::AlreadyRegistered => c"already registered: unregister it first",
            Refusal::NotRegistered => c"not registered: register it first",
            Refusal::UnknownSymbol => {
                c"unknown symbol: it may be inlined, or have a suffix (.isra.0): look in \
                 /proc/kallsyms, or load its module"
            }
            Refusal::AmbiguousSymbol => {
                c"ambiguous symbol: choose one of the addresses, or say MODULE:SYMBOL"
            }
            Refusal::OutsideFunction => c"offset outside the function: choose a smaller one",
            Refusal::NoFunction => c"address in no function: look in /proc/kallsyms",
            Refusal::NotText => c"not kernel or module text: choose an address in a function",
            Refusal::ModuleComing => c"module is being loaded: try again when it is loaded",
            Refusal::ModuleGoing => c"module is being unloaded: load it again first",
            Refusal::InitTextGone => c"initialization text is freed: it does not run again",
            Refusal::InsideInstruction => {
                c"inside an instruction: choose its first byte; explain SYMBOL+* lists all"
            }
            Refusal::Undecodable => {
                c"undecodable bytes before or at the address: choose another function"
            }
            Refusal::Reserved(kind) => kind.refusal(),
            Refusal::Copy(reason) => reason.c_text(),
            Refusal::KprobeHere => c"a kprobe is at this address: remove it first",
            Refusal::KprobeNear => c"a kprobe overlaps: remove it first or choose another address",
            Refusal::KprobesComing => {
                c"native kprobes are being registered: the probe waits for a pause"
            }
            Refusal::ForeignText => c"foreign bytes in the text: find the tool that changed it",
            Refusal::FtraceFailed => c"the function tracer does not attach: probe an offset",
            Refusal::Redirected => {
                c"a livepatch or another tool redirects the function: probe an offset, or leave the post_handler out"
            }
            Refusal::InHandler => {
                c"called from a handler: queue an irq_work that queues a work item"
            }
            Refusal::NotReady => {
                c"rkprobes is being loaded or unloaded: try again when it is loaded"
            }
            Refusal::NoProbe => c"no probe: give the address of a structure",
            Refusal::NoMemory => c"out of memory: try again with fewer probes",
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
            Foreign::KprobesComing => Refusal::KprobesComing,
            Foreign::Bytes | Foreign::Jump => Refusal::ForeignText,
            Foreign::Ftrace => Refusal::FtraceFailed,
            Foreign::NoMemory => Refusal::NoMemory,
        }
    }
}

/// As kprobes: bytes that can never be probed are an illegal sequence, and an instruction that kprobes
/// does not copy is an invalid argument.
const fn copy_errno(reason: CopyRefusal) -> i32 {
    match reason {
        CopyRefusal::Undecodable
        | CopyRefusal::Breakpoint
        | CopyRefusal::SoftwareInterrupt
        | CopyRefusal::UndefinedInsn => errno::EILSEQ,
        CopyRefusal::StackSegment | CopyRefusal::ForcedEmulation => errno::EINVAL,
        _ => errno::EOPNOTSUPP,
    }
}

/// Why a site stays a breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOptimizable {
    /// Five bytes of whole instructions do not fit before the function's end.
    LeavesFunction,
    /// A jump or call of the function, or of another piece of it, goes into the region.
    JumpInside,
    /// A jump label's target is inside the region.
    JumpLabelTargetInside,
    /// The exception table continues inside the region.
    FixupInside,
    /// An indirect jump of the function may go into the region.
    JumpTable,
    /// No known branch reaches an instruction of the region that follows a jump.
    UnknownEntry,
    /// A call is not the region's last instruction.
    CallNotLast,
    /// An instruction after the first may fault and sleep.
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
            NotOptimizable::Reserved(kind) => kind.in_region(),
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
