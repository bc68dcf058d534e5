# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an object that has an id and a comment, the same for each module of such: a class to inherit from."""

from __future__ import annotations

import pytest


class Commented:
    """A module `proxmox_<kind>` whose object has the id KEY; COMMENTS are two; READ, CREATE, CHANGE and REMOVE are its requests."""

    MODULE: str
    KEY: str
    ID: str
    COMMENTS: tuple[str, str]
    READ: str
    CREATE: str
    CHANGE: str
    REMOVE: str

    @staticmethod
    def comment(state, identifier):
        """What the server has; None where there is no such object."""
        raise NotImplementedError

    @pytest.fixture
    def run(self, ferrox, connection):
        """Runs the module for the object: run(comment=…, check=True) -> result."""

        def run(identifier=self.ID, check=False, diff=False, **options):
            return ferrox(self.MODULE, {**connection, self.KEY: identifier, **options}, check=check, diff=diff)

        return run

    @pytest.fixture
    def there(self, cluster):
        """there() -> the comment of the object on the server."""
        return lambda identifier=self.ID: self.comment(cluster.state(), identifier)

    def said(self, what):
        return f"{self.MODULE.removeprefix('proxmox_').capitalize()} {self.ID} {what}"

    def test_without_an_id_it_says_what_is_missing(self, ferrox, cluster, connection):
        result = ferrox(self.MODULE, connection)
        assert result["failed"] and result["msg"] == f"missing required arguments: {self.KEY}"
        assert cluster.requests() == []

    def test_check_mode_tells_of_the_new_one_and_writes_nothing(self, run, there, asked):
        result = run(comment=self.COMMENTS[0], check=True, diff=True)
        assert result["changed"] and result["msg"] == self.said("successfully created")
        assert result["diff"] == {"before": {}, "after": {self.KEY: self.ID, "comment": self.COMMENTS[0]}}
        assert asked() == [self.READ]
        assert there() is None

    def test_it_is_created_once(self, run, there, asked):
        result = run(comment=self.COMMENTS[0])
        assert result["changed"] and result[self.KEY] == self.ID
        assert result["msg"] == self.said("successfully created")
        assert there() == self.COMMENTS[0]
        assert asked() == [self.READ, self.CREATE]

        result = run(comment=self.COMMENTS[0])
        assert not result["changed"] and result["msg"] == self.said("already exists")
        assert asked() == [self.READ]

    def test_it_may_be_made_without_a_comment(self, run, there):
        assert run()["changed"]
        assert there() == ""
        assert not run()["changed"]

    def test_the_comment_of_one_that_exists_is_managed(self, run, there, asked):
        before, after = self.COMMENTS
        run(comment=before)
        result = run(comment=after, check=True, diff=True)
        assert result["changed"]
        assert (result["diff"]["before"]["comment"], result["diff"]["after"]["comment"]) == (before, after)
        assert there() == before

        asked()
        result = run(comment=after)
        assert result["changed"] and result["msg"] == self.said("successfully updated")
        assert there() == after
        assert asked() == [self.READ, self.CHANGE]
        assert not run(comment=after)["changed"]

    def test_a_comment_that_is_not_stated_is_left_alone(self, run, there):
        run(comment=self.COMMENTS[0])
        assert not run()["changed"]
        assert there() == self.COMMENTS[0]

    def test_an_empty_comment_takes_it_away(self, run, there):
        run(comment=self.COMMENTS[0])
        assert run(comment="")["changed"]
        assert there() == ""
        assert not run(comment="")["changed"]

    def test_a_write_whose_answer_was_lost_is_not_done_twice(self, run, there, cluster):
        cluster.fault(method="POST", path=".*", drop="after-effect")
        assert run(comment=self.COMMENTS[0])["msg"] == self.said("successfully created")
        cluster.fault(method="DELETE", path=".*", drop="after-effect")
        assert run(state="absent")["msg"] == self.said("successfully deleted")
        assert there() is None

    def test_in_a_playbook_the_second_pass_changes_nothing(self, playbook, connection):
        options = {**connection, "name": self.ID, "comment": self.COMMENTS[0]}
        task = {f"ferrox.proxmox.{self.MODULE}": options}
        ran = playbook([task, task])
        assert ran.rc == 0
        assert [result["changed"] for result in ran.results] == [True, False]

    def test_it_is_removed_once(self, run, there, asked):
        run(comment=self.COMMENTS[0])
        result = run(state="absent", check=True, diff=True)
        assert result["changed"] and result["msg"] == self.said("successfully deleted")
        assert result["diff"] == {"before": {self.KEY: self.ID, "comment": self.COMMENTS[0]}, "after": {}}
        assert there() == self.COMMENTS[0]

        asked()
        result = run(state="absent")
        assert result["changed"] and result["msg"] == self.said("successfully deleted")
        assert there() is None
        assert asked() == [self.READ, self.REMOVE]

        result = run(state="absent")
        assert not result["changed"] and result["msg"] == self.said("doesn't exist")
        assert asked() == [self.READ]
