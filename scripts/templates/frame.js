/** Shows these nodes as large as they fit, and no menus; where they are in the window. */
(ids) => {
    const MARGIN = 30; // graph units around the nodes
    const settings = app.extensionManager.setting;
    settings.set("Comfy.Minimap.Visible", false);
    settings.set("Comfy.Graph.CanvasMenu", false);
    settings.set("Comfy.Graph.CanvasInfo", false);
    settings.set("LiteGraph.Canvas.MinFontSizeForLOD", 0);
    app.extensionManager.focusMode = true;
    const style = document.createElement("style");
    style.textContent = ".p-toast, .fixed { visibility: hidden }";
    document.head.append(style);

    const nodes = ids.map((id) => app.graph.getNodeById(id));
    const left = Math.min(...nodes.map((node) => node.pos[0])) - MARGIN;
    const top = Math.min(...nodes.map((node) => node.pos[1])) - LiteGraph.NODE_TITLE_HEIGHT - MARGIN;
    const right = Math.max(...nodes.map((node) => node.pos[0] + node.size[0])) + MARGIN;
    const bottom = Math.max(...nodes.map((node) => node.pos[1] + node.size[1])) + MARGIN;

    const { ds } = app.canvas;
    ds.scale = Math.min(innerWidth / (right - left), innerHeight / (bottom - top));
    ds.offset = [innerWidth / ds.scale / 2 - (left + right) / 2, innerHeight / ds.scale / 2 - (top + bottom) / 2];
    app.canvas.setDirty(true, true);
    const [width, height] = [(right - left) * ds.scale, (bottom - top) * ds.scale];
    return { x: (innerWidth - width) / 2, y: (innerHeight - height) / 2, width, height };
}
