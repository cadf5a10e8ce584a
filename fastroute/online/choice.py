"""What an online router answers: which model takes a query."""


class Choice:
    """Which model takes a query.

    Attributes
    ----------
    id : int
        Of the decision; observations name it.
    model : str
        What the policy chose.
    serve : str
        What is to take the query: ``model``, unless the router only looks on, or the money of the
        window is spent.
    propensity : float
        Probability with which ``model`` was chosen, given the shares.
    """

    __slots__ = ("_deployed", "_shares", "id", "model", "propensity", "serve")

    def __init__(
        self,
        number: int,
        model: str,
        serve: str,
        propensity: float,
        deployed: tuple[str, ...],
        shares: tuple[float, ...],
    ) -> None:
        self.id = number
        self.model = model
        self.serve = serve
        self.propensity = propensity
        self._deployed = deployed
        self._shares = shares

    @property
    def shares(self) -> dict[str, float]:
        """Share of the traffic of every deployed model, by which the model was drawn."""
        return dict(zip(self._deployed, self._shares, strict=True))

    def __repr__(self) -> str:
        """Say what was chosen."""
        served = "" if self.serve == self.model else f", serve={self.serve!r}"
        return (
            f"Choice(id={self.id}, model={self.model!r}{served}, propensity={self.propensity:.4g})"
        )
