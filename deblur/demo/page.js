() => {
  // An error of gradio's own disappears when the next image is restored.
  document.addEventListener("click", (event) => {
    if (event.target.closest(".run")) document.querySelectorAll(".toast-close").forEach((one) => one.click());
  });
  // Gradio's slider has no alternative texts: set them whenever its images appear. Screen readers read a result or an
  // error when it appears.
  const describe = () => {
    document.querySelectorAll(".before-after").forEach((slider) => {
      slider.querySelectorAll("img").forEach((image, place) => {
        image.alt = place ? "After: the output of the network" : "Before: the input of the network";
      });
    });
    document.querySelectorAll(".kernel img").forEach((image) => {
      image.alt = "The kernel that was estimated, enlarged";
    });
    document.querySelectorAll(".prose.numbers").forEach((text) => text.setAttribute("aria-live", "polite"));
  };
  new MutationObserver(describe).observe(document.body, {childList: true, subtree: true});
}
