"""The palette of every picture: that of Okabe and Ito (2008), which colour-blind readers can tell apart."""

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
INK, GREY, PALE, BROWN = "#222222", "#6E6E6E", "#D9D9D9", "#7F5539"
