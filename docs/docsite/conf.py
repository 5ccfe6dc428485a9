# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx for the documentation; ``make docs`` lays out the pages below .build/docs/source."""

project = "scisoft.julia_depots"
copyright = "scisoft.julia_depots contributors"
title = html_title = html_short_title = "Precompiled Julia depots"

extensions = ["sphinx_antsibull_ext", "myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_heading_anchors = 3
highlight_language = "YAML+Jinja"
pygments_style = "ansible"

html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_copy_source = False
html_use_index = False
html_theme_options = {"documentation_home_url": "index.html"}

default_role = "any"
nitpicky = True
# Modules of Ansible itself are documented elsewhere, and nothing is fetched from there.
nitpick_ignore_regex = [("ansplugin", r".*"), ("std:ref", r"ansible_collections\.ansible\..*")]
