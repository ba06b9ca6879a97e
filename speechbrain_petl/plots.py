"""Pictures of results."""

from matplotlib.figure import Figure

INCHES_PER_CLASS = 0.6


def draw_confusion(matrix, names, path):
    """Draw a confusion matrix: colour is the share of the true class.

    Arguments
    ---------
    matrix : torch.Tensor
        Number of files (true class, predicted class).
    names : list of str
        Of the classes.
    path : str
        The png file to write.
    """
    share = matrix / matrix.sum(dim=1, keepdim=True).clamp(min=1)
    side = 2 + INCHES_PER_CLASS * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(names))
    axes.set_xticks(
        ticks, names, rotation=90 if max(map(len, names)) > 4 else 0
    )
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="true")
    for row, counts in enumerate(matrix.tolist()):
        for column, count in enumerate(counts):
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(
                column, row, count, ha="center", va="center", color=colour
            )
    figure.colorbar(image, label="share of the true class")
    figure.savefig(path, dpi=150)
