"""The arguments and specs that ansible-core is asked about."""

from __future__ import annotations

import random

KINDS = ("str", "int", "float", "bool", "list", "dict", "path", "raw", "json")

# What people, templates and inventories put where an option wants something.
VALUES = (
    "", " ", "text", "yes", " Yes ", "off", "True", "t", "2", "12", " 12 ", "12.0", "1_000", "1e3", "-7", "+7",
    "12.5", ".5", "5.", "1e400", "nan", "Infinity", "0x10", "a,b", "a, b,", "k=v", 'a=1, b="2 3" c=\\=', "k=v, w",
    '{"a": 1}', '{"a": [1, {"b": null}]}', "{'a': 1, 'b': [True, None, 2.5, (1,), 'it\\'s']}", "{broken", "[1, 2]",
    " {\"a\": 1}", "{'a': {'b': ()}, 'c': -4}", "~/x", "~", "$DIR/x", "${DIR}x$UNKNOWN", "~nobody-here/x", "a\"b'c", "ümläut\n\t\x07\u200b",
    0, 1, 2, -3, 12.0, 12.5, 1.0, 0.0, 1e16, 1e15, 1e-5, 0.0001, 123456789012, 1.5e300, True, False, None,
    [], [1, "2", None], ["a", "b"], [["x"]], [True, 1.5, {"k": "v"}], {}, {"a": 1}, {"a": {"b": [1, "x"]}},
)

# The environment in which all of it is asked.
ENV = {"HOME": "/home/me", "DIR": "/srv", "FERROX_A": "from env", "FERROX_NUMBER": "17", "FERROX_EMPTY": ""}


def case(spec: dict, given: dict, **rules) -> dict:
    return {"spec": {"argument_spec": spec, **rules}, "input": given}


CONNECTION = {
    "api_host": {"type": "str", "required": True, "fallback": ["env_fallback", ["FERROX_NONE", "FERROX_A"]]},
    "api_port": {"type": "int", "fallback": ["env_fallback", ["FERROX_NUMBER"]]},
    "api_user": {"type": "str", "default": "root@pam"},
    "api_password": {"type": "str", "no_log": True},
    "api_token_id": {"type": "str", "no_log": False},
    "api_token_secret": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "api_timeout": {"type": "int", "default": 5},
}

NET = {
    "bridge": {"type": "str", "aliases": ["br"]},
    "vlan": {"type": "int"},
    "model": {"type": "str", "choices": ["virtio", "e1000"], "default": "virtio"},
    "firewall": {"type": "bool"},
    "key": {"type": "str", "no_log": True},
}

CLONE = {
    "vms": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "aliases": ["guests"],
        "options": {
            "name": {"type": "str", "required": True},
            "vmid": {"type": "int"},
            "tags": {"type": "list", "elements": "str"},
            "cipassword": {"type": "str", "no_log": True},
            "net": {
                "type": "dict",
                "options": NET,
                "required_together": [["bridge", "vlan"]],
                "mutually_exclusive": [["firewall", "key"]],
            },
            "disks": {
                "type": "list",
                "elements": "dict",
                "options": {"size": {"type": "str", "required": True}, "slot": {"type": "int"}},
            },
        },
        "required_by": {"tags": ["vmid"]},
        "required_one_of": [["vmid", "name"]],
        "mutually_exclusive": [["vmid", "tags"]],
        "required_if": [["name", "special", ["vmid", "tags"], True]],
    },
    "parallel": {"type": "int", "default": 4},
    "on_error": {"type": "str", "choices": ["continue", "stop"], "default": "continue"},
}

ROLE = {
    "name": {"type": "str", "required": True, "aliases": ["roleid", "id"]},
    "privs": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "append": {"type": "bool", "default": False},
}


def handmade() -> list[dict]:
    cases = []

    # Every type with every value; required and defaulted options treat null
    # otherwise than plain ones.
    for kind in KINDS:
        for value in VALUES:
            cases.append(case({"x": {"type": kind}}, {"x": value}))
        for value in (None, "", "1", 0, "{}", []):
            cases.append(case({"x": {"type": kind, "required": True}}, {"x": value}))
        for default in ("1", 1, "~/d", "a,b", '{"d": 1}'):
            cases.append(case({"x": {"type": kind, "default": default}}, {}))
            cases.append(case({"x": {"type": kind, "default": default}}, {"x": None}))
        for value in ("a,b", "1, 2", "yes,no,maybe", [1, "x", 2.5], [None, {}, "k=v"], ["~/x", "$DIR"], 7, "", {"a": 1}):
            cases.append(case({"x": {"type": "list", "elements": kind}}, {"x": value}))

    # Without a type, an option is text.
    cases += [case({"x": {}}, {"x": 5}), case({"x": {"elements": "str", "type": "list"}}, {"x": None})]

    # Choices, for every way in which YAML and templates spell them.
    choices = (["yes", "no"], ["on", "off", "no"], [1, 2, 3], ["present", "absent"], [True, False], ["1", "true"], [])
    for allowed in choices:
        for value in ("yes", "no", True, False, 1, 1.0, "1", "False", "True", "present", None, ["yes"], ["1", "x"]):
            for kind in ("str", "int", "raw", "list", "bool"):
                cases.append(case({"x": {"type": kind, "choices": allowed}}, {"x": value}))
    for value in ("a,b", ["a", "c", 5], [], "c"):
        cases.append(case({"x": {"type": "list", "elements": "str", "choices": ["a", "b"]}}, {"x": value}))

    # Aliases.
    for given in (
        {"name": "r"}, {"roleid": "r"}, {"name": "r", "roleid": "s"}, {"roleid": "r", "id": "s"},
        {"name": None, "id": "s"}, {"name": "r", "roleid": None}, {"privs": "VM.Audit,VM.Clone"}, {},
        {"name": "r", "state": "gone"}, {"name": "r", "nonsense": 1, "more": 2}, {"name": 5, "append": "maybe"},
        {"name": "r", "privs": ["VM.Audit", 5, None]}, {"name": {"a": 1}, "unknown": True, "state": "x", "append": []},
        {"NAME": "r"}, {"name": "r", "": 1}, {"name": "r", "privs": {"a": 1}}, {"name": ["a", 1.5, None, "it's"]},
    ):
        cases.append(case(ROLE, given))
    cases += [
        case({"x": {"aliases": ["old"], "deprecated_aliases": [{"name": "old", "version": "2.0.0", "collection_name": "a.b"}]}}, g)
        for g in ({"old": 1}, {"x": 1}, {"x": 1, "old": 2}, {})
    ]
    gone = {"removed_in_version": "3.0.0", "removed_from_collection": "a.b"}
    dated = {"removed_at_date": "2027-01-01", "removed_from_collection": "a.b"}
    nested = {"type": "list", "elements": "dict", "options": {"y": {"aliases": ["z"], "deprecated_aliases": [{"name": "z", "date": "2027-01-01", "collection_name": "a.b"}], **gone}}, **dated}
    cases += [case({"x": nested}, {"x": v}) for v in ([{"y": 1}, {"z": 2}], {"y": 1, "z": 1}, "y=1", None, [[{"y": 1}]])]
    cases += [case({"x": gone}, {"x": 1}), case({"x": gone}, {}), case({"x": dated}, {"x": None})]

    # Rules.
    abc = {"a": {}, "b": {}, "c": {"default": "d"}, "d": {"type": "int"}}
    inputs = (
        {}, {"a": 1}, {"a": 1, "b": 2}, {"b": 1, "c": 2}, {"a": None, "b": None}, {"a": 1, "b": 2, "c": 3, "d": 4},
        {"d": 5}, {"a": "x", "d": "5"}, {"a": "True"}, {"a": True}, {"b": None, "d": 1.0},
    )
    rules = (
        {"mutually_exclusive": [["a", "b"]]},
        {"mutually_exclusive": [["a", "b"], ["a", "c"], ["b", "d", "c"]]},
        {"required_together": [["a", "b"], ["c", "d"]]},
        {"required_one_of": [["a", "b"], ["d", "b"]]},
        {"required_if": [["c", "d", ["a"]], ["a", "x", ["b", "d"]]]},
        {"required_if": [["c", "d", ["a", "b"], True], ["d", 5, ["a", "b"], True]]},
        {"required_if": [["d", 1, ["a"]], ["a", "True", ["b"]], ["a", None, ["d"]]]},
        {"required_if": [["a", True, ["b", "d"]]]},
        {"required_by": {"a": ["b", "d"], "d": "a"}},
        {"required_by": {"b": ["a"]}, "required_one_of": [["a", "d"]], "required_together": [["b", "d"]], "mutually_exclusive": [["b", "a"]]},
    )
    cases += [case(abc, given, **rule) for rule in rules for given in inputs]

    # Environment variables, secrets.
    for given in (
        {}, {"api_host": "pve1"}, {"api_host": None}, {"api_token_id": "t"}, {"api_port": "no"}, {"api_password": "hush"},
        {"api_password": 1234}, {"api_password": ["a", {"b": "c"}, 5, None, True, ""]}, {"api_password": ""},
        {"api_token_id": "t", "api_token_secret": 1.5, "ca_path": "~/ca.pem", "validate_certs": "no"},
        {"validate_certs": "perhaps", "api_timeout": "5s", "api_port": 8006.0},
    ):
        cases.append(case(CONNECTION, given, required_together=[["api_token_id", "api_token_secret"]]))
    secret = {"type": "str", "no_log": True}
    cases += [
        case({"x": {**secret, "fallback": ["env_fallback", ["FERROX_EMPTY", "FERROX_A"]]}}, {}),
        case({"x": {**secret, "fallback": ["env_fallback", ["FERROX_A"]]}}, {}),
        case({"x": {**secret, "fallback": ["env_fallback", ["FERROX_A"]]}, "y": {"aliases": ["x2"]}}, {"x2": 1}, mutually_exclusive=[["x", "y"]]),
        case({"x": {**secret, "default": "dft"}}, {}),
        case({"x": {"type": "dict", "no_log": True}}, {"x": {"a": ["b", 1]}}),
        case({"x": {"type": "bool", "no_log": True}}, {"x": "yes"}),
        case({"x": {"type": "dict", "options": {"y": secret}}}, {"x": "y=abc"}),
        case({"x": {"type": "dict", "options": {"y": secret}}}, {"x": '{"y": "abc"}'}),
        case({"x": {"type": "dict", "options": {"y": secret}}}, {"x": 5}),
        case({"x": {"type": "dict", "options": {"y": secret}}}, {"x": "nonsense"}),
        case({"x": {"type": "list", "elements": "dict", "options": {"y": secret}}}, {"x": "y=abc"}),
        case({"x": {"type": "list", "elements": "dict", "options": {"y": secret}}}, {"x": ["y=abc", {"y": "d"}, 5.5]}),
        case({"x": {"type": "list", "elements": "dict", "options": {"y": secret}}}, {"x": ["y=abc", {"y": "d"}]}),
        case({"x": {"type": "list", "elements": "dict", "options": {"y": secret}}}, {"x": [{"y": "d"}, None]}),
    ]

    # Sub-options.
    vm = {"name": "web"}
    for vms in (
        [vm], vm, "name=web", "name=web vmid=5", '{"name": "web"}', ["name=web", vm], [], None, "nonsense", 5, [5], [None], [[vm]], True,
        [{}], [{"vmid": "12"}], [{"name": 5, "vmid": "x"}], [{"name": "web", "nonsense": 1}, {"name": "db", "more": 2}],
        [{"name": "web", "tags": "a,b"}], [{"name": "web", "tags": "a,b", "vmid": 1}], [{"name": "special"}], [{"name": "special", "vmid": 7}],
        [{"name": "web", "net": {}}], [{"name": "web", "net": {"br": "vmbr0", "vlan": "20"}}], [{"name": "web", "net": {"bridge": "b"}}],
        [{"name": "web", "net": {"br": "a", "bridge": "b", "vlan": 1}}], [{"name": "web", "net": {"model": "rtl"}}],
        [{"name": "web", "net": "bridge=vmbr0,vlan=3"}], [{"name": "web", "net": "virtio"}], [{"name": "web", "net": ["bridge=x"]}],
        [{"name": "web", "net": {"vlan": "twenty", "bridge": "b"}}], [{"name": "web", "net": {"firewall": "maybe", "key": "k"}}],
        [{"name": "web", "net": {"nonsense": 1, "other": 2}}], [{"name": "web", "net": {"firewall": [1], "key": {"a": "b"}}}],
        [{"name": "web", "disks": [{"size": "40G"}, {}, {"size": 5, "slot": "x"}]}], [{"name": "web", "disks": "size=4G"}],
        [{"name": "web", "disks": [{"size": "1G", "slot": []}], "cipassword": "topsecret"}, {"name": "db", "cipassword": 99}],
    ):
        cases.append(case(CLONE, {"vms": vms}))
        cases.append(case(CLONE, {"guests": vms, "parallel": "two"}))
    cases += [
        case({"x": {"type": "dict", "apply_defaults": True, "options": {"y": {"default": 5}, "z": {}}}}, g)
        for g in ({}, {"x": None}, {"x": {"y": 1}}, {"x": "y=2"})
    ]
    deep = {"type": "dict", "options": {"b": {"type": "dict", "options": {"c": {"type": "int", "choices": [1, 2]}, "d": {"type": "list", "elements": "int"}}}}}
    cases += [
        case({"a": deep}, {"a": {"b": v}})
        for v in ({"c": "1"}, {"c": 3}, {"c": "x"}, {"d": "1,2,x"}, {"e": 1}, "c=2", 7, {"c": None}, {"d": [1.5, "2"]})
    ]
    fallbacks = {"type": "dict", "options": {"b": {"type": "int", "fallback": ["env_fallback", ["FERROX_NUMBER"]]}, "c": {}}}
    cases += [case({"a": fallbacks}, {"a": v}) for v in ({}, {"b": 1}, "c=1", {"c": None})]
    return cases


def generated(chance: random.Random) -> list[dict]:
    """Specs and arguments by a seeded generator: combinations nobody thinks of."""
    cases = []
    while len(cases) < 400:
        spec = options(chance, depth=2)
        rules = some_rules(chance, list(spec))
        cases.append(case(spec, arguments(chance, spec), **rules))
    return cases


def options(chance: random.Random, depth: int) -> dict:
    spec = {}
    for name in chance.sample("abcdefgh", chance.randint(1, 4)):
        kind = chance.choice(KINDS)
        option: dict = {"type": kind}
        if kind == "list" and chance.random() < 0.7:
            option["elements"] = chance.choice(KINDS)
        nests = kind == "dict" or option.get("elements") == "dict"
        if nests and depth and chance.random() < 0.7:
            option["options"] = options(chance, depth - 1)
            option.update(some_rules(chance, list(option["options"])))
        dice = chance.random()
        if dice < 0.2:
            option["required"] = True
        elif dice < 0.4 and not nests:
            option["default"] = chance.choice([1, "yes", "a,b", True, 2.0])
        if chance.random() < 0.2:
            option["aliases"] = chance.sample([name + "1", name + "2"], chance.randint(1, 2))
        if chance.random() < 0.15 and not nests:
            option["choices"] = chance.sample(["yes", "no", 1, "a", True, "2"], 3)
        if chance.random() < 0.15:
            option["no_log"] = True
        if chance.random() < 0.1:
            option["fallback"] = ["env_fallback", ["FERROX_NUMBER"]]
        spec[name] = option
    return spec


def some_rules(chance: random.Random, names: list[str]) -> dict:
    rules: dict = {}
    if len(names) < 2:
        return rules
    for rule in ("mutually_exclusive", "required_together", "required_one_of"):
        if chance.random() < 0.15:
            rules[rule] = [chance.sample(names, 2)]
    if chance.random() < 0.15:
        key, *others = chance.sample(names, len(names))
        rules["required_if"] = [[key, chance.choice([1, "yes", True]), others, chance.random() < 0.5]]
    if chance.random() < 0.15:
        key, other = chance.sample(names, 2)
        rules["required_by"] = {key: [other]}
    return rules


def arguments(chance: random.Random, spec: dict) -> dict:
    given = {}
    for name, option in spec.items():
        if chance.random() < 0.35:
            continue
        if option.get("aliases") and chance.random() < 0.5:
            name = chance.choice(option["aliases"])
        if option.get("options") and chance.random() < 0.7:
            value = arguments(chance, option["options"])
            if option["type"] == "list":
                value = [value, arguments(chance, option["options"])]
        else:
            value = chance.choice(VALUES)
        given[name] = value
    if chance.random() < 0.1:
        given["stranger"] = 1
    return given
