-- Copyright: (c) 2026, scisoft.julia_depots contributors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- For Lmod 8.6 or later. setup.sh decides on architecture, level and first depot; Lmod's own path commands then put
-- them in place, so that unloading takes out these entries alone and leaves what the user added meanwhile.

local release = "@RELEASE@"

help([==[
Julia @VERSION@ with the packages of the environment @ENVIRONMENT@, compiled for this node's processor.

Start `julia`; `using` finds the packages. Your own project and packages come first: `Pkg.add` goes to your
environment, in your depot (~/.julia, or the first of JULIA_DEPOT_PATH).
JULIA_DEPOTS_LEVEL, set before loading, asks for another CPU level than the best that this node can run.

Release: ]==] .. release .. "\n")
whatis("Name: @ENVIRONMENT@")
whatis("Version: Julia @VERSION@")
whatis("Category: programming language, scientific software")
whatis("Description: Julia with the precompiled environment @ENVIRONMENT@")

conflict("julia", "Julia")
family("julia_depots")

local function is_blank(list)
   return list:find("[^:]") == nil
end

local function has_empty_entry(list)
   return (":" .. list .. ":"):find("::", 1, true) ~= nil
end

-- All that is put into the environment. `extras` says what else than the release's own entries went into the lists:
-- D the empty entry of the depot path, L Julia's default load path, and after a colon the first depot.
local function apply(active, depots, load, bin, extras)
   local first = extras:match(":(.*)$")
   local flags = extras:match("^[^:]*")
   if first ~= "" then append_path("JULIA_DEPOT_PATH", first) end
   for depot in depots:gmatch("[^:]+") do append_path("JULIA_DEPOT_PATH", depot) end
   if flags:find("D") then append_path("JULIA_DEPOT_PATH", "") end
   if flags:find("L") then append_path("JULIA_LOAD_PATH", "@:@v#.#") end
   append_path("JULIA_LOAD_PATH", load)
   if flags:find("L") then append_path("JULIA_LOAD_PATH", "@stdlib") end
   prepend_path("PATH", bin)
   setenv("JULIA_DEPOTS_RELEASE", release)
   setenv("JULIA_DEPOTS_ACTIVE", active)
   setenv("JULIA_DEPOTS_DEPOTS", depots)
   setenv("JULIA_DEPOTS_LOAD", load)
   setenv("JULIA_DEPOTS_BIN", bin)
   setenv("JULIA_DEPOTS_MODULE", extras)
end

-- What a setup.sh or another such module put in before makes room.
local function remove_earlier()
   local extras = os.getenv("JULIA_DEPOTS_MODULE") or ":"
   local flags = extras:match("^[^:]*")
   local depots = (os.getenv("JULIA_DEPOTS_DEPOTS") or "") .. ":" .. extras:sub(#flags + 2)
   for depot in depots:gmatch("[^:]+") do remove_path("JULIA_DEPOT_PATH", depot) end
   if flags:find("D") then remove_path("JULIA_DEPOT_PATH", "") end
   if flags:find("L") then remove_path("JULIA_LOAD_PATH", "@:@v#.#:@stdlib") end
   local load = os.getenv("JULIA_DEPOTS_LOAD") or ""
   if load ~= "" then remove_path("JULIA_LOAD_PATH", load) end
   -- What is left of a setup.sh that found no load path.
   if os.getenv("JULIA_LOAD_PATH") == "@:@v#.#:@stdlib" then remove_path("JULIA_LOAD_PATH", "@:@v#.#:@stdlib") end
   local bin = os.getenv("JULIA_DEPOTS_BIN") or ""
   if bin ~= "" then remove_path("PATH", bin) end
end

if mode() == "load" or mode() == "show" then
   local answer = capture("__julia_depots_for=module /bin/sh '" .. release .. "/setup.sh' 2>&1")
   local arch, level, first = answer:match("^([%w_]+)/([^\n]+)\n([^\n]*)\n$")
   if not arch then
      LmodError(answer)
   end
   remove_earlier()
   local depot_path = os.getenv("JULIA_DEPOT_PATH") or ""
   local extras = ""
   if is_blank(depot_path) or not has_empty_entry(depot_path) then extras = extras .. "D" end
   if is_blank(os.getenv("JULIA_LOAD_PATH") or "") then extras = extras .. "L" end
   extras = extras .. ":"
   if is_blank(depot_path) then extras = extras .. first end
   local common = release .. "/" .. arch .. "/common"
   apply(
      arch .. "/" .. level,
      release .. "/" .. arch .. "/" .. level .. ":" .. common,
      common .. "/environments/@ENVIRONMENT@",
      release .. "/bin",
      extras
   )
elseif mode() == "unload" then
   apply(
      os.getenv("JULIA_DEPOTS_ACTIVE") or "",
      os.getenv("JULIA_DEPOTS_DEPOTS") or "",
      os.getenv("JULIA_DEPOTS_LOAD") or "",
      os.getenv("JULIA_DEPOTS_BIN") or "",
      os.getenv("JULIA_DEPOTS_MODULE") or ":"
   )
end
