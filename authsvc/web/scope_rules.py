"""The two rules a route may declare instead of a scope. PURE."""

ANY_CALLER = "any caller with a valid proof"
PROOF_IN_BODY = "the proof is the body itself"
