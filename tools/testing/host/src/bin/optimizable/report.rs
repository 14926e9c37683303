// SPDX-License-Identifier: GPL-2.0

//! The figures as text: for the terminal, for the documentation, and the line for machines.

use crate::survey::{Count, Landing, Rules, Site, Survey};
use rkprobes_host::stock::Kernel;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The reasons, the most frequent first.
fn by_frequency(reasons: &BTreeMap<&'static str, u64>) -> Vec<(&'static str, u64)> {
    let mut reasons: Vec<_> = reasons
        .iter()
        .map(|(text, count)| (*text, *count))
        .collect();
    reasons.sort_by_key(|(text, count)| (u64::MAX - count, *text));
    reasons
}

/// What `make optimizable` prints.
pub fn text(kernel: &Kernel, survey: &Survey) -> String {
    let mut out = format!("{} functions of {}\n", survey.functions, kernel.release());
    for (name, rules) in [("ours", &survey.ours), ("mainline", &survey.mainline)] {
        for (which, count) in [("every instruction", &rules.all), ("fifth", &rules.fifth)] {
            let percent = count.percent();
            let _ = writeln!(
                out,
                "{name}, {which}: {} of {} optimizable ({percent:.1} %), {} without a grace period",
                count.optimizable, count.probeable, count.single
            );
        }
        for (reason, count) in by_frequency(&rules.all.refused) {
            let _ = writeln!(out, "{count:>10}  {reason}");
        }
        let _ = writeln!(out, "{:>10}  jumped into", rules.jumped_into.len());
    }
    out
}

/// The line for machines.
pub fn last_line(survey: &Survey) -> String {
    format!(
        "optimizable probeable={} ours={:.1} mainline={:.1} unsafe={}",
        survey.ours.all.probeable,
        survey.ours.all.percent(),
        survey.mainline.all.percent(),
        survey.ours.jumped_into.len()
    )
}

/// The regions of mainline that something jumps into, one in a line.
pub fn unsafe_list(kernel: &Kernel, survey: &Survey) -> String {
    let mut out = format!(
        "# SPDX-License-Identifier: GPL-2.0\n# {}: optimizable by mainline's rules although something jumps into the region\n\
         # PROBE +BYTES WHERE-FROM\n",
        kernel.release()
    );
    for Landing {
        probe,
        distance,
        from,
    } in &survey.mainline.jumped_into
    {
        let _ = writeln!(out, "{probe} +{distance} {from}");
    }
    out
}

/// The page of the documentation.
pub fn rst(kernel: &Kernel, survey: &Survey, patched: &Survey) -> String {
    let mut out = format!(
        ".. SPDX-License-Identifier: GPL-2.0\n\
         .. Written by ``make optimizable``; edit tools/testing/host/src/bin/optimizable instead.\n\n\
         ===========================\n\
         Where a jump can be put\n\
         ===========================\n\n\
         All {} functions of the text of Linux {}, from the image of its distribution.\n\
         Every instruction boundary is an address. Function entries are not counted, because they\n\
         belong to the function tracer, and neither is the padding between functions. Mainline's\n\
         rules are those of its own optimized kprobes, applied to these bytes.\n\n",
        survey.functions,
        kernel.release()
    );
    out.push_str(".. image:: optimizable.svg\n\n");
    out.push_str(&shares(survey));
    for (title, rules) in [("ours", &survey.ours), ("mainline", &survey.mainline)] {
        let _ = writeln!(
            out,
            "\nWhy a breakpoint stays a breakpoint, {title}\n{}\n",
            "-".repeat(60)
        );
        out.push_str(&table("Reason", &rules.all.refused, rules.all.probeable));
    }
    let _ = writeln!(
        out,
        "\nWhere there is no probe at all, ours\n{}\n",
        "-".repeat(60)
    );
    out.push_str(&table("Reason", &survey.refused, survey.ours.all.probeable));
    out.push_str(&jumped_into(survey));
    out.push_str(BOOT);
    let shares = [&patched.ours, &patched.mainline].map(|rules| rules.all.percent());
    let jumped = patched.ours.jumped_into.len();
    let _ = writeln!(
        out,
        "\nWith the return thunks replaced, as on a processor that needs none, {:.1} % of the addresses \
         are\noptimizable by our rules and {:.1} % by mainline's; {jumped} of ours are jumped into.",
        shares[0], shares[1]
    );
    out
}

fn shares(survey: &Survey) -> String {
    let mut out = String::from(
        ".. list-table::\n   :header-rows: 1\n\n   * - Rules\n     - Addresses\n     - Probeable\n     \
         - Optimizable\n     - Share\n     - Single instruction\n     - Jumped into\n",
    );
    for (name, rules) in [("ours", &survey.ours), ("mainline", &survey.mainline)] {
        for (which, count) in [("all", &rules.all), ("5th of a function", &rules.fifth)] {
            row(&mut out, name, which, rules, count);
        }
    }
    out.push_str(
        "\nNo task can be inside a region of a single instruction, so such a region needs no grace\n\
         period. \"Jumped into\" counts regions whose inside is the target of a branch, a jump label\n\
         or an exception fix-up, found by decoding all text at once.\n",
    );
    out
}

fn row(out: &mut String, name: &str, which: &str, rules: &Rules, count: &Count) {
    let jumped = match which {
        "all" => rules.jumped_into.len().to_string(),
        _ => String::from("-"),
    };
    let _ = write!(
        out,
        "   * - {name}\n     - {which}\n     - {}\n     - {}\n     - {:.1} %\n     - {}\n     - {jumped}\n",
        count.probeable,
        count.optimizable,
        count.percent(),
        count.single
    );
}

fn table(title: &str, reasons: &BTreeMap<&'static str, u64>, of: u64) -> String {
    let mut out = format!(
        ".. list-table::\n   :header-rows: 1\n\n   * - {title}\n     - Addresses\n     - Share\n"
    );
    for (reason, count) in by_frequency(reasons) {
        let percent = count as f64 * 100.0 / of.max(1) as f64;
        let _ = write!(
            out,
            "   * - {reason}\n     - {count}\n     - {percent:.2} %\n"
        );
    }
    out
}

fn jumped_into(survey: &Survey) -> String {
    let landings = &survey.mainline.jumped_into;
    let of = |what: &str| {
        landings
            .iter()
            .filter(|landing| landing.from == what)
            .count()
    };
    let labels = of("a jump label");
    let fixups = of("the exception table");
    format!(
        "\nWhat mainline would jump although something jumps into it\n{}\n\n\
         {} addresses, {} of them by a branch of another piece of the function, {labels} by a jump \
         label,\n{fixups} by the exception table. A jump over the target of a jump label breaks when \
         the label is\nswitched. A jump over the target of a ``.cold`` piece breaks when the unlikely \
         case happens.\n``optimizable-unsafe.txt``, next to this page, has the list.\n",
        "-".repeat(60),
        landings.len(),
        landings.len() - labels - fixups,
    )
}

const BOOT: &str = "
What differs on the running kernel
------------------------------------------------------------

The image is not patched yet for the machine that it runs on. The module decodes the live bytes.

- Calls of an indirect thunk may become ``call *%reg`` and a nop. Such a call ends its region, so a
  probe on it stays a breakpoint. A probe on the instruction before it is not affected.
- Jumps to the return thunk may become ``ret`` and int3 padding. Our region includes the padding,
  which nothing reaches. By mainline's rules ``ret`` may end a region, and the jump may not.
- Jumps of feature checks to ``.altinstr_aux`` become a jump inside the function, or a nop. Their
  target is treated as any other target.
- Jump labels and static calls stay where they are, and are reserved in both states.

``optimizable --sites 1`` chooses a thousand addresses. The kprobe events of the running kernel
accept 857 of them; the others are in functions that are not traced. For each of the 857, mainline's
rules as counted here predict what the kernel's own optimizer then does. The module accepts 999 of
the thousand; the other one is on its breakpoint path. It makes jumps of exactly the addresses that
are counted here.
";

/// The chosen sites, one in a line: address, the rules by which it is optimizable, place.
pub fn sites(sites: &[&Site]) -> String {
    let mut out = String::new();
    for site in sites {
        let (ours, mainline) = (u8::from(site.ours), u8::from(site.mainline));
        let _ = writeln!(
            out,
            "{:#x} ours={ours} mainline={mainline} {}",
            site.addr, site.place
        );
    }
    out
}
