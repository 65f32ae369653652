// The conversation stays at its end while an answer grows, unless the person has scrolled away from it.

import { byId } from "./dom.js";

const NEAR_PX = 60;

export class Scroll {
  constructor() {
    this.area = byId("scroll");
    this.button = byId("down");
    this.sticks = true;
    this.area.addEventListener("scroll", () => this.look(), { passive: true });
    this.button.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.follow()).observe(byId("messages"));
    new ResizeObserver(() => this.follow()).observe(this.area);
  }

  look() {
    const { scrollHeight, scrollTop, clientHeight } = this.area;
    this.sticks = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.button.hidden = this.sticks;
  }

  follow() {
    if (this.sticks) this.area.scrollTop = this.area.scrollHeight;
    else this.look();
  }

  toEnd() {
    this.sticks = true;
    this.follow();
  }
}
