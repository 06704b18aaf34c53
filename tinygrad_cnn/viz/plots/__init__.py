"""Pictures of training, drawn by matplotlib on a figure or axis of yours, or on a new one.

    learning_curves         loss, accuracy and learning rate of one training
    overlaid_curves         of several, in one picture
    confusion_matrix        which class is taken for which
    error_gallery           the images that a network is wrong about
    contact_sheet           images in a grid
    filters                 the weights of a convolution as images
    feature_maps            what a convolution makes of one image
    gradient_flow           how large the gradient of each layer was, over time
    activation_histograms   what values the layers give

Nothing here touches pyplot or the backend, so drawing works without a display and leaves no figure
behind. The colours are told apart by colour-blind people (Okabe and Ito 2008), and each line also
by its stroke.

    figure = learning_curves(trainer.history.columns())
    figure.savefig("curves.png")
"""

from tinygrad_cnn.viz.plots.curves import learning_curves, overlaid_curves
from tinygrad_cnn.viz.plots.layers import (
    activation_histograms,
    feature_maps,
    filters,
    gradient_flow,
)
from tinygrad_cnn.viz.plots.mistakes import confusion_matrix, contact_sheet, error_gallery
from tinygrad_cnn.viz.plots.style import BLUE, COLOURS, GREY, ORANGE, SMALL, new_figure, png

__all__ = [
    "BLUE",
    "COLOURS",
    "GREY",
    "ORANGE",
    "SMALL",
    "activation_histograms",
    "confusion_matrix",
    "contact_sheet",
    "error_gallery",
    "feature_maps",
    "filters",
    "gradient_flow",
    "learning_curves",
    "new_figure",
    "overlaid_curves",
    "png",
]
