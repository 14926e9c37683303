# SPDX-License-Identifier: GPL-2.0
# How Sphinx makes HTML of this folder; "make docs" runs it on a copy that also has what other tools extract from the sources.

project = "rkprobes"
author = "The rkprobes developers"
project_copyright = author
primary_domain = "c"
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {"page_width": "1200px", "show_powered_by": False}
html_show_sphinx = False
exclude_patterns = ["extra"]
# Names of the C domain that are the kernel's are not pages of ours.
nitpicky = False
# The Rust interface, from rustdoc; "tools/lab/docs --sphinx" leaves it out.
if tags.has("rustdoc"):  # noqa: F821
    html_extra_path = ["extra"]
