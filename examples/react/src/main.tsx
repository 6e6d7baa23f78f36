import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createVane } from "../../../web/client.js";
import { Feed } from "./Feed.js";

const userId = new URLSearchParams(location.search).get("user") ?? "ada";
const vane = createVane({ userId });

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Feed vane={vane} />
  </StrictMode>,
);
