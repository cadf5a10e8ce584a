"""The summary of a run, a frame that prints all its rows."""

import polars as pl

_DIGITS = 5


class Summary(pl.DataFrame):
    """A Polars frame in every respect, but printed whole and with few digits.

    Polars leaves the middle rows of a longer frame out, and with them what matters most.
    """

    def __str__(self) -> str:
        """Write all rows, numbers with five significant digits."""
        shown = self.with_columns(pl.col(pl.Float64).round_sig_figs(_DIGITS))
        with pl.Config(
            tbl_rows=-1,
            tbl_cols=-1,
            tbl_width_chars=200,
            tbl_formatting="NOTHING",
            tbl_cell_numeric_alignment="RIGHT",
            tbl_hide_column_data_types=True,
            tbl_hide_dataframe_shape=True,
        ):
            return pl.DataFrame.__str__(shown)

    def __repr__(self) -> str:
        """Write all rows, as ``str`` does."""
        return str(self)

    def _repr_html_(self, *, _from_series: bool = False) -> str:
        with pl.Config(tbl_rows=-1, tbl_cols=-1):
            return super()._repr_html_(_from_series=_from_series)
