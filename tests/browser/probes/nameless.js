// Controls that a screen reader could not name.
() =>
  [...document.querySelectorAll("button, input, select, textarea")]
    .filter((control) => control.checkVisibility())
    .filter((control) => !(control.ariaLabel || control.textContent.trim() || control.labels?.length))
    .map((control) => control.outerHTML)
