"""What a stored run tells of its end, its persona, its next step and the causes of its verdict."""

from service.storage.schema import RunRow
from service.ui.views.run import ReasonsView

STEPS = {"follow_up": "a closer look", "confirm": "a full run that confirms"}


def reasons(run: RunRow) -> ReasonsView:
    early, why, step = run.early or {}, run.attribution or {}, run.escalation or {}
    return ReasonsView(
        persona=run.persona,
        event=run.event,
        early=early.get("because"),
        spared=int((run.savings or {}).get("by_evidence", 0)),
        next=STEPS.get(step.get("step", "")),
        next_run=step.get("run"),
        refused=step.get("refused"),
        causes=tuple((cause["kind"], cause["says"]) for cause in why.get("causes", [])),
        items=tuple((one["item"], float(one["before"]), float(one["now"])) for one in why.get("items", [])),
        compared=len(why.get("compared_with", [])),
    )
