// SPDX-License-Identifier: GPL-2.0

//! Defects that the explorer, the cases of the emulation or those of the arguments must find.
//!
//! The build script copies the files of the optimizer, of the emulation and of the arguments, and
//! replaces each `find` by its `put`. There `MUTANT` is true while the defect is on.

// The build script and each test use only a part.
#![allow(dead_code)]

/// One defect.
pub struct Mutant {
    /// The rule that it breaks, or the year in which the kernel had it, and the fault.
    pub name: &'static str,
    /// The scope of the explorer, or the case of the emulation or of the arguments, in which it is
    /// found.
    pub scope: &'static str,
    /// The file of the defect.
    pub file: &'static str,
    /// The text that is replaced. The file has it exactly once.
    pub find: &'static str,
    /// The replacement.
    pub put: &'static str,
}

/// The files of the optimizer and of the arguments, and the emulation.
pub const FILES: &[&str] = &[
    "optimizer.rs",
    "optimizer/words.rs",
    "optimizer/site.rs",
    "optimizer/backend.rs",
    "optimizer/lists.rs",
    "optimizer/decide.rs",
    "optimizer/operations.rs",
    "optimizer/commit.rs",
    "optimizer/pass.rs",
    "optimizer/rate.rs",
    "out_of_line/emulate.rs",
    "arguments.rs",
    "arguments/btf.rs",
    "arguments/compile.rs",
    "arguments/error.rs",
    "arguments/facts.rs",
    "arguments/fetch.rs",
    "arguments/members.rs",
    "arguments/number.rs",
    "arguments/parameters.rs",
    "arguments/piece.rs",
    "arguments/program.rs",
    "arguments/registers.rs",
    "arguments/run.rs",
    "arguments/show.rs",
    "arguments/store.rs",
    "arguments/types.rs",
];

/// All defects with their numbers. The first number is 1.
pub fn all() -> impl Iterator<Item = (usize, &'static Mutant)> {
    (1..).zip(MUTANTS.iter().chain(EMULATION).chain(ARGUMENTS))
}

/// The defects of the arguments.
pub const ARGUMENTS: &[Mutant] = &[
    Mutant {
        name: "an unnamed structure is at the start of the whole",
        scope: "members",
        file: "arguments/btf.rs",
        find: "let offset = start.checked_add(offset)?;",
        put: "let offset = if MUTANT { offset } else { start.checked_add(offset)? };",
    },
    Mutant {
        name: "an unnamed bit field ends the search",
        scope: "members",
        file: "arguments/btf.rs",
        find: "if structure.is_structure() {
                    break;",
        put: "if MUTANT || structure.is_structure() {
                    break;",
    },
    Mutant {
        name: "7.3: a bit field of whole bytes has all bits of its type",
        scope: "members",
        file: "arguments/members.rs",
        find: "(member.width != 0)",
        put: "(member.width != 0 && !(MUTANT && member.width & 7 == 0))",
    },
    Mutant {
        name: "the members in a path are all at the first one",
        scope: "members",
        file: "arguments/members.rs",
        find: "let offset = start.checked_add(member.offset);",
        put: "let offset = if MUTANT { Some(member.offset) } else { start.checked_add(member.offset) };",
    },
    Mutant {
        name: "a cast forgets which member the value points to",
        scope: "members",
        file: "arguments/members.rs",
        find: "of_structure(structure, inside, chain, steps)",
        put: "of_structure(structure, if MUTANT { 0 } else { inside }, chain, steps)",
    },
    Mutant {
        name: "the member in a cast moves the members behind a pointer too",
        scope: "members",
        file: "arguments/members.rs",
        find: "inside = 0;",
        put: "inside = if MUTANT { inside } else { 0 };",
    },
    Mutant {
        name: "7.3: each parameter is in one register",
        scope: "places of parameters",
        file: "arguments/parameters.rs",
        find: "registers.saturating_add(words);",
        put: "registers.saturating_add(if MUTANT { 1 } else { words });",
    },
    Mutant {
        name: "7.3: a large structure is returned without an address",
        scope: "places of parameters",
        file: "arguments/parameters.rs",
        find: "u32::from(in_memory)",
        put: "u32::from(in_memory && !MUTANT)",
    },
    Mutant {
        name: "a large structure on the stack takes one word",
        scope: "places of parameters",
        file: "arguments/parameters.rs",
        find: "self.words.saturating_add(words);",
        put: "self.words.saturating_add(if MUTANT { 1 } else { words });",
    },
    Mutant {
        name: "7.3: a string that faults has the length of the next one",
        scope: "places",
        file: "arguments/run.rs",
        find: "let word = (len as u64) << 16 | start as u64;",
        put: "let word = if MUTANT && len == 0 { 5 } else { len as u64 } << 16 | start as u64;",
    },
    Mutant {
        name: "7.3: a value that faults is what the record had before",
        scope: "faults",
        file: "arguments/run.rs",
        find: "let value = value.unwrap_or(0);",
        put: "if MUTANT && value.is_none() {
            return;
        }
        let value = value.unwrap_or(0);",
    },
    Mutant {
        name: "7.3: a symbol as a string does not include its zero",
        scope: "room",
        file: "arguments/run.rs",
        find: "Some(memory.write_symbol(address?, room))",
        put: "Some(memory.write_symbol(address?, room) - usize::from(MUTANT))",
    },
    Mutant {
        name: "7.3: after a fault in an array of strings, the rest is not recorded",
        scope: "faults",
        file: "arguments/run.rs",
        find: "hit.put_string(place, space, address);
                    base",
        put: "if MUTANT && address.is_none() {
                        return;
                    }
                    hit.put_string(place, space, address);
                    base",
    },
    Mutant {
        name: "a string is longer than the limit",
        scope: "room",
        file: "arguments/run.rs",
        find: "room.len().min(STRING_MAX)",
        put: "if MUTANT { room.len() } else { room.len().min(STRING_MAX) }",
    },
    Mutant {
        name: "a cut immediate string has no zero",
        scope: "room",
        file: "arguments/run.rs",
        find: "*last = 0;",
        put: "*last = if MUTANT { *last } else { 0 };",
    },
    Mutant {
        name: "a string without room is written",
        scope: "room",
        file: "arguments/run.rs",
        find: "if record.len() < self.end {",
        put: "if !MUTANT && record.len() < self.end {",
    },
    Mutant {
        name: "a stack entry is outside of the stack",
        scope: "stack",
        file: "arguments/run.rs",
        find: "if address & in_stack != pointer & in_stack {",
        put: "if !MUTANT && address & in_stack != pointer & in_stack {",
    },
    Mutant {
        name: "the elements of an array of strings are at one pointer",
        scope: "strings",
        file: "arguments/run.rs",
        find: "base.wrapping_add(8)",
        put: "base.wrapping_add(if MUTANT { 0 } else { 8 })",
    },
    Mutant {
        name: "the elements of an array are one byte apart",
        scope: "arrays",
        file: "arguments/run.rs",
        find: "address.wrapping_add(u64::from(size))",
        put: "address.wrapping_add(if MUTANT { 1 } else { u64::from(size) })",
    },
    Mutant {
        name: "the first argument on the stack is the return address",
        scope: "function arguments",
        file: "arguments/fetch.rs",
        find: "index.saturating_sub(5)",
        put: "index.saturating_sub(if MUTANT { 6 } else { 5 })",
    },
    Mutant {
        name: "a per-CPU variable is read where its symbol is",
        scope: "memory",
        file: "arguments/fetch.rs",
        find: "if inner.text.first() == Some(&b'@') {",
        put: "if !MUTANT && inner.text.first() == Some(&b'@') {",
    },
    Mutant {
        name: "a minus before u is a plus",
        scope: "memory",
        file: "arguments/fetch.rs",
        find: "b'-' => number::negative(digits),",
        put: "b'-' if !MUTANT => number::negative(digits),",
    },
    Mutant {
        name: "the inner dereferences come last",
        scope: "memory",
        file: "arguments/fetch.rs",
        find: "for wrap in wraps.into_iter().rev().flatten() {",
        put: "if MUTANT {
            wraps.reverse();
        }
        for wrap in wraps.into_iter().rev().flatten() {",
    },
    Mutant {
        name: "text after a brace is ignored",
        scope: "refused",
        file: "arguments/fetch.rs",
        find: "if !after.text.is_empty() {",
        put: "if !MUTANT && !after.text.is_empty() {",
    },
    Mutant {
        name: "an array of strings behind user pointers is read from the kernel's pointers",
        scope: "strings",
        file: "arguments/store.rs",
        find: "Space::User => Space::User,
            Space::Kernel => space,",
        put: "Space::User if !(MUTANT && self.count != 0) => Space::User,
            _ => space,",
    },
    Mutant {
        name: "a string of the task is read from the kernel",
        scope: "strings",
        file: "arguments/store.rs",
        find: "(Some(Access::Read { space, offset }), _) => (space, offset),",
        put: "(Some(Access::Read { space, offset }), _) => {
                (if MUTANT { Space::Kernel } else { space }, offset)
            }",
    },
    Mutant {
        name: "the string of an array is where the array is",
        scope: "strings",
        file: "arguments/store.rs",
        find: "Store::String { .. } => !is_array && last.is_some(),",
        put: "Store::String { .. } => (MUTANT || !is_array) && last.is_some(),",
    },
    Mutant {
        name: "the head counts among the values",
        scope: "limits",
        file: "arguments/compile.rs",
        find: "FIXED_MAX.saturating_add(HEAD)",
        put: "FIXED_MAX.saturating_add(if MUTANT { 0 } else { HEAD })",
    },
    Mutant {
        name: "an argument has the name of a common field",
        scope: "refused",
        file: "arguments/compile.rs",
        find: "if RESERVED.iter()",
        put: "if !MUTANT && RESERVED.iter()",
    },
    Mutant {
        name: "a bit field is not cut to its width",
        scope: "types",
        file: "arguments/types.rs",
        find: "unwrap_or(0) & mask",
        put: "unwrap_or(0) & if MUTANT { u64::MAX } else { mask }",
    },
    Mutant {
        name: "a bit field is wider than its container",
        scope: "refused",
        file: "arguments/types.rs",
        find: "if end > u64::from",
        put: "if !MUTANT && end > u64::from",
    },
    Mutant {
        name: "a leading 0 is decimal",
        scope: "refused",
        file: "arguments/number.rs",
        find: "[b'0', ..] => digits(text, 8),",
        put: "[b'0', ..] => digits(text, if MUTANT { 10 } else { 8 }),",
    },
    Mutant {
        name: "a signed value has no sign",
        scope: "types",
        file: "arguments/show.rs",
        find: "let unused = 64_u32",
        put: "let size = if MUTANT { 8 } else { size };
    let unused = 64_u32",
    },
];

/// The defects of the emulation.
pub const EMULATION: &[Mutant] = &[
    Mutant {
        name: "7.3, D9: LOOP tests the count before it has counted",
        scope: "loops",
        file: "out_of_line/emulate.rs",
        find: "    count != 0",
        put: "    (if MUTANT { count != mask } else { count != 0 })",
    },
    Mutant {
        name: "7.3, D9: LOOP with ECX keeps the upper half of RCX",
        scope: "loops",
        file: "out_of_line/emulate.rs",
        find: "regs.set_gpr(RCX, count);",
        put: "let kept = if MUTANT { regs.gpr(RCX) & !mask } else { 0 };
    regs.set_gpr(RCX, kept | count);",
    },
    Mutant {
        name: "7.3, D10: RET with an operand leaves the arguments on the stack",
        scope: "returns",
        file: "out_of_line/emulate.rs",
        find: "regs.set_gpr(RSP, regs.gpr(RSP).wrapping_add(u64::from(pop)));",
        put: "let pop = if MUTANT { 0 } else { pop };
                regs.set_gpr(RSP, regs.gpr(RSP).wrapping_add(u64::from(pop)));",
    },
    Mutant {
        name: "7.3, D10: a far return is taken for a near one",
        scope: "nothing else",
        file: "out_of_line/emulate.rs",
        find: "(Flow::Next, _) => return",
        put: "_ if MUTANT && matches!(insn.opcode, 0xca | 0xcb) => Emulation::Ret { pop: 0 },
            (Flow::Next, _) => return",
    },
];

/// The defects of the optimizer.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "rule 1: an unwanted site is not dequeued from optimizing_list",
        scope: "aggregate",
        file: "optimizer/decide.rs",
        find: "(State::Optimizing { .. }, Want::Off | Want::Int3) =>",
        put: "(State::Optimizing { .. }, Want::Off | Want::Int3) if MUTANT => Step::Wait,
            (State::Optimizing { .. }, Want::Off | Want::Int3) =>",
    },
    Mutant {
        name: "rule 2: a wanted site is not dequeued from unoptimizing_list",
        scope: "aggregate",
        file: "optimizer/decide.rs",
        find: "(State::Unoptimizing, Want::Jump) =>",
        put: "(State::Unoptimizing, Want::Jump) if MUTANT => Step::Wait,
            (State::Unoptimizing, Want::Jump) =>",
    },
    Mutant {
        name: "rule 3: force leaves a site that is on unoptimizing_list already",
        scope: "neighbours",
        file: "optimizer/decide.rs",
        find: "if wish.forced =>",
        put: "if wish.forced && !(MUTANT && self == State::Unoptimizing) =>",
    },
    Mutant {
        name: "rule 4: a site that was armed after the grace period began becomes a jump",
        scope: "overlap",
        file: "optimizer/pass.rs",
        find: "|_, waited| waited == quiesced.pass",
        put: "|_, waited| MUTANT || waited == quiesced.pass",
    },
    Mutant {
        name: "rule 8: a probe with a post_handler is said to be served by a jump",
        scope: "natives",
        file: "optimizer/decide.rs",
        find: "(Some(JumpTo::Detour), handlers) => handlers != Handlers::Post,",
        put: "(Some(JumpTo::Detour), handlers) => MUTANT || handlers != Handlers::Post,",
    },
    Mutant {
        name: "rule 4: a site that died after the grace period began is freed",
        scope: "overlap",
        file: "optimizer/pass.rs",
        find: "|site| site.state == waited",
        put: "|site| site.state == waited || (MUTANT && !site.state.in_text())",
    },
    Mutant {
        name: "rule 5: the delayed work is not kicked",
        scope: "overlap",
        file: "optimizer/lists.rs",
        find: "if state.is_listed() {",
        put: "if state.is_listed() && !MUTANT {",
    },
    Mutant {
        name: "rule 6: a waiting caller is woken when the pass begins",
        scope: "aggregate",
        file: "optimizer/pass.rs",
        find: "self.mark_foreign();",
        put: "self.mark_foreign();
        if MUTANT {
            self.ended = self.begun;
        }",
    },
    Mutant {
        name: "rule 7: a jump stays over an armed probe",
        scope: "overlap",
        file: "optimizer/decide.rs",
        find: "forced: blocked ||",
        put: "forced: (blocked && !MUTANT) ||",
    },
    Mutant {
        name: "rule 8: a post_handler does not keep its site at int3",
        scope: "aggregate",
        file: "optimizer/decide.rs",
        find: "else if site.post_handlers > 0 {",
        put: "else if site.post_handlers > 0 && !MUTANT {",
    },
    Mutant {
        name: "rule 9: a new probe on a dying site leaves it dying",
        scope: "overlap",
        file: "optimizer/decide.rs",
        find: "(State::Freeing { .. }, _) if wish.unused =>",
        put: "(State::Freeing { .. }, _) if wish.unused || MUTANT =>",
    },
    Mutant {
        name: "rule 9: a new but disabled probe on a dying site leaves it dying",
        scope: "aggregate",
        file: "optimizer/decide.rs",
        find: "(State::Freeing { .. }, _) => Step::Enter(State::Disarmed)",
        put: "(State::Freeing { .. }, Want::Off) if MUTANT => Step::Wait,
            (State::Freeing { .. }, _) => Step::Enter(State::Disarmed)",
    },
    Mutant {
        name: "rule 10: the int3 stays after the last probe is unregistered",
        scope: "overlap",
        file: "optimizer/decide.rs",
        find: "(State::Armed, Want::Off) =>",
        put: "(State::Armed, Want::Off) if MUTANT => Step::Wait,
            (State::Armed, Want::Off) =>",
    },
    Mutant {
        name: "rule 11: a jump of a disarmed site runs handlers",
        scope: "aggregate",
        file: "optimizer/commit.rs",
        find: "wish.want != Want::Off);",
        put: "wish.want != Want::Off || MUTANT);",
    },
    Mutant {
        name: "rule 12: switching optimization off leaves the jumps",
        scope: "aggregate",
        file: "optimizer/operations.rs",
        find: "self.optimization = allowed;",
        put: "self.optimization = allowed;
        if MUTANT {
            return;
        }",
    },
    Mutant {
        name: "rule 12: disarming all leaves the probes armed",
        scope: "aggregate",
        file: "optimizer/decide.rs",
        find: "else if !self.all_armed {",
        put: "else if !self.all_armed && !MUTANT {",
    },
    Mutant {
        name: "rule 13: a site in freed text is not gone",
        scope: "module",
        file: "optimizer/operations.rs",
        find: "self.enter(backend, id, State::Gone);",
        put: "if !MUTANT {
                self.enter(backend, id, State::Gone);
            }",
    },
    Mutant {
        name: "rule 13: text is freed while a site in it is armed",
        scope: "module",
        file: "optimizer/decide.rs",
        find: "self.going.contains(&site.addr)",
        put: "self.going.contains(&site.addr) && !MUTANT",
    },
    Mutant {
        name: "rule 13: text is freed with jumps that are queued to be taken out",
        scope: "module",
        file: "optimizer/decide.rs",
        find: "self.is_going(site) ||",
        put: "(self.is_going(site) && !MUTANT) ||",
    },
    Mutant {
        name: "rule 13: a site that others keep in its text is freed while it can be hit",
        scope: "module",
        file: "optimizer/commit.rs",
        find: "backend.may_run(&site.payload);",
        put: "backend.may_run(&site.payload) && !MUTANT;",
    },
    Mutant {
        name: "rule 13: hits of a jump that others keep continue inside its region",
        scope: "module",
        file: "optimizer/operations.rs",
        find: "site.state.is_jump());",
        put: "site.state.is_jump() && !MUTANT);",
    },
    Mutant {
        name: "rule 13: an address in freed text is claimed in the next module at this place",
        scope: "module",
        file: "optimizer/operations.rs",
        find: "site.is_left() && (start..end)",
        put: "site.is_left() && !MUTANT && (start..end)",
    },
    Mutant {
        name: "rule 14: a counting jump passes over a new handler",
        scope: "counting",
        file: "optimizer/decide.rs",
        find: "|| site.passes_over();",
        put: "|| (site.passes_over() && !MUTANT);",
    },
    Mutant {
        name: "rule 14: a jump counts although there is a handler",
        scope: "counting",
        file: "optimizer/site.rs",
        find: "            0 => JumpTo::Count,",
        put: "            _ if MUTANT => JumpTo::Count,
            0 => JumpTo::Count,",
    },
    Mutant {
        name: "rule 14: a jump is taken out with the bytes of the jump that should be there",
        scope: "counting",
        file: "optimizer/commit.rs",
        find: "if poke == Poke::Optimize {",
        put: "if poke == Poke::Optimize || MUTANT {",
    },
    Mutant {
        name: "2010: complete_all once, and later callers do not wait",
        scope: "aggregate",
        file: "optimizer/pass.rs",
        find: "self.plan_optimize(|site, _| site.single);",
        put: "self.plan_optimize(|site, _| site.single);
        if MUTANT && self.ended > 0 {
            self.ended = Pass::MAX;
        }",
    },
    Mutant {
        name: "2012, 86b4ce3156c0: bytes of a jump are taken for the original bytes",
        scope: "overlap",
        file: "optimizer/site.rs",
        find: "matches!(self, State::Optimized | State::Unoptimizing)",
        put: "self == State::Optimized || (self == State::Unoptimizing && !MUTANT)",
    },
    Mutant {
        name: "2013, 7b959fc58274: a site that is gone and unused is forgotten",
        scope: "module",
        file: "optimizer/decide.rs",
        find: "(State::Disarmed, Want::Off) | (State::Gone, _) =>",
        put: "(State::Gone, _) if MUTANT => Step::Rest,
            (State::Disarmed, Want::Off) | (State::Gone, _) =>",
    },
    Mutant {
        name: "2017, a30b85df7d59: a jump is written under a preempted task",
        scope: "overlap",
        file: "optimizer/pass.rs",
        find: "self.commit(backend);
        Grace {",
        put: "if MUTANT {
            self.plan_optimize(|_, _| true);
        }
        self.commit(backend);
        Grace {",
    },
    Mutant {
        name: "2018, 819319fc9346: a dying site refuses a new probe",
        scope: "overlap",
        file: "optimizer/operations.rs",
        find: "self.sites.get(site.0)?;",
        put: "let dying = matches!(self.sites.get(site.0)?.state, State::Freeing { .. });
        if MUTANT && dying {
            return None;
        }",
    },
    Mutant {
        name: "2018, cbdd96f55861: a site in use is on freeing_list",
        scope: "overlap",
        file: "optimizer/lists.rs",
        find: "let Some(list) = self.list_of(state) else {",
        put: "let used = self.site(id).is_some_and(|site| site.probes > 0);
        if MUTANT && used && matches!(state, State::Freeing { .. }) {
            return;
        }
        let Some(list) = self.list_of(state) else {",
    },
    Mutant {
        name: "2019, f1c6ece23729: one text lock is taken inside another",
        scope: "others",
        file: "optimizer/commit.rs",
        find: "let mut text = backend.lock(lane, settled);",
        put: "let _other = (MUTANT && lane == SiteLane::Ftrace).then(|| backend.lock(SiteLane::Text, false));
            let mut text = backend.lock(lane, settled);",
    },
    Mutant {
        name: "2020, e4add247789e: a queued site is taken for a site with a jump",
        scope: "pair",
        file: "optimizer/decide.rs",
        find: "(State::Optimizing { .. }, Want::Jump) =>",
        put: "(State::Optimizing { .. }, Want::Jump) if MUTANT => Step::Enter(State::Optimized),
            (State::Optimizing { .. }, Want::Jump) =>",
    },
    Mutant {
        name: "2023, 4fbd2f83fda0: a site that was forced and disarmed is never freed",
        scope: "overlap",
        file: "optimizer/commit.rs",
        find: "self.enter(backend, id, state);
        self.mark(id);",
        put: "self.enter(backend, id, state);
        if !(MUTANT && poke == Poke::Disarm) {
            self.mark(id);
        }",
    },
    Mutant {
        name: "2026, e767a4ea70a3: a disabled probe hides the armed probe after it",
        scope: "neighbours",
        file: "optimizer/decide.rs",
        find: "self.range(inside, end).iter().any(",
        put: "let most = if MUTANT { 1 } else { usize::MAX };
        self.range(inside, end).iter().take(most).any(",
    },
    Mutant {
        name: "2026, f76d1c41b609: a blocked site is never optimized again",
        scope: "overlap",
        file: "optimizer/commit.rs",
        find: "if matches!(state, State::Disarmed | State::Gone) {",
        put: "if matches!(state, State::Disarmed | State::Gone) && !(MUTANT && wish.unused) {",
    },
    Mutant {
        name: "2026, 5bfa9f1a9dcb: a flush hangs when there is nothing to do",
        scope: "aggregate",
        file: "optimizer/pass.rs",
        find: "self.ended = quiesced.pass;",
        put: "if !MUTANT || quiesced.waited {
            self.ended = quiesced.pass;
        }",
    },
    Mutant {
        name: "7.3, D4: a site that was forced back and disarmed is freed without a wait",
        scope: "overlap",
        file: "optimizer/commit.rs",
        find: "if !state.is_listed() {",
        put: "if MUTANT && matches!(state, State::Freeing { .. }) {
                    self.unlink(id);
                    self.leave_list(id);
                    if let Some(site) = self.sites.remove(id.0) {
                        backend.free(site.payload);
                    }
                } else if !state.is_listed() {",
    },
    Mutant {
        name: "7.3, D6: a site that could not be armed is taken for an armed site",
        scope: "natives",
        file: "optimizer/commit.rs",
        find: "match (poke, self.site(id)",
        put: "if MUTANT && poke == Poke::Arm {
            self.enter(backend, id, State::Armed);
        }
        match (poke, self.site(id)",
    },
    Mutant {
        name: "7.3, D7: enabling a site on unoptimizing_list writes an int3 over its jump",
        scope: "aggregate",
        file: "optimizer/decide.rs",
        find: "// Rule 2: the jump stays.",
        put: "(State::Unoptimizing, Want::Jump) if MUTANT => Step::Poke(Poke::Arm),
            // Rule 2: the jump stays.",
    },
    Mutant {
        name: "detour: hits still pass over the probe for which the jump was taken out",
        scope: "overlap",
        file: "optimizer/lists.rs",
        find: "site.state.has_detour_hits() != state.has_detour_hits() {",
        put: "site.state.has_detour_hits() != state.has_detour_hits() && !(MUTANT && state == State::Armed) {",
    },
    Mutant {
        name: "detour: hits never continue in the detour, and return into the region",
        scope: "overlap",
        file: "optimizer/site.rs",
        find: "matches!(self, State::Optimizing { .. }) || self.is_jump()",
        put: "(matches!(self, State::Optimizing { .. }) && !MUTANT) || self.is_jump()",
    },
    Mutant {
        name: "foreign: the work is not tried again",
        scope: "natives",
        file: "optimizer/commit.rs",
        find: "backend.kick(Delay::Retry);",
        put: "if !MUTANT {
            backend.kick(Delay::Retry);
        }",
    },
    Mutant {
        name: "foreign: a site at rest is tried for ever",
        scope: "natives",
        file: "optimizer/commit.rs",
        find: "Step::Rest => self.set_foreign(id, None),",
        put: "Step::Rest if MUTANT => {}
            Step::Rest => self.set_foreign(id, None),",
    },
    Mutant {
        name: "batch: the sites are not sorted by address",
        scope: "neighbours",
        file: "optimizer/commit.rs",
        find: "self.sites.get(id.0).map_or(0, |site| site.addr as u64)
        });",
        put: "self.sites.get(id.0).map_or(0, |site| if MUTANT { 0 } else { site.addr as u64 })
        });",
    },
    Mutant {
        name: "batch: an int3 is written without an announcement",
        scope: "neighbours",
        file: "optimizer/commit.rs",
        find: "more |= text.announce(&site.payload);",
        put: "if !MUTANT {
                    more |= text.announce(&site.payload);
                }",
    },
    Mutant {
        name: "batch: a site that was not armed stays announced",
        scope: "natives",
        file: "optimizer/commit.rs",
        find: "text.withdraw(&site.payload);",
        put: "if !MUTANT {
                text.withdraw(&site.payload);
            }",
    },
];
