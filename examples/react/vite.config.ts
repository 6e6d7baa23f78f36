import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const vane = process.env["VANE_URL"] ?? "http://localhost:8000";

export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/v1": vane }, fs: { allow: ["../.."] } },
  test: { environment: "happy-dom" },
});
