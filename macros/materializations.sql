{#- How a model gets into DuckDB: in one statement, in the place of what was there. dbt's own way makes it
    beside the old one, renames both and drops one, for the sake of readers; the working files have none. -#}

{% materialization view, adapter='duckdb' %}
    {{ return(put_in_place(this.incorporate(type='view'))) }}
{% endmaterialization %}

{% materialization table, adapter='duckdb' %}
    {{ return(put_in_place(this.incorporate(type='table'))) }}
{% endmaterialization %}

{% materialization incremental, adapter='duckdb' %}
    {{ return(put_in_place(this.incorporate(type='table'))) }}
{% endmaterialization %}

{% macro put_in_place(relation) -%}
    {%- set found = load_cached_relation(relation) -%}
    {#- A view cannot replace a table, nor a table a view. -#}
    {%- if found is not none and found.type != relation.type -%}
        {%- do adapter.drop_relation(found) -%}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        {{ making(relation) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [relation]}) }}
{%- endmacro %}

{% macro making(relation) -%}
    {%- if relation.is_view -%}
        create or replace view {{ relation }} as (
            {{ compiled_code }}
        )
    {%- elif is_incremental() and has_columns_of_the_model(relation) -%}
        {#- beside the rows that its pre-hook left: see incremental.sql -#}
        insert into {{ relation }} by name (
            {{ compiled_code }}
        )
    {%- elif is_published(relation) -%}
        create or replace table {{ relation }} ({{ columns_to_write() | join(', ') }});
        insert into {{ relation }} by name (
            {{ compiled_code }}
        )
    {%- else -%}
        create or replace table {{ relation }} as (
            {{ compiled_code }}
        )
    {%- endif -%}
{%- endmacro %}

{#- The columns of a published table, in SQL. DuckDB tries each way to write a text and keeps the best, unless
    it is told: but for what names a person, texts are one of few. -#}
{% macro columns_to_write() -%}
    {%- set columns = [] -%}
    {%- if config.get('contract').enforced -%}
        {%- do get_assert_columns_equivalent(compiled_code) -%}
        {%- do columns.extend(adapter.render_raw_columns_constraints(raw_columns=model.columns)) -%}
    {%- else -%}
        {%- for column in get_column_schema_from_query(compiled_code) -%}
            {%- do columns.append(column.name ~ ' ' ~ column.dtype) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set personal = model.columns.values()
        | selectattr('config.meta.contains') | map(attribute='name') | list -%}
    {%- set written = [] -%}
    {%- for column in columns -%}
        {%- set name, type = column.split(' ')[:2] -%}
        {%- set is_personal = model.config.meta.contains or name in personal -%}
        {%- set is_one_of_few = type | lower in ['text', 'varchar'] and not is_personal -%}
        {%- do written.append(column ~ (' using compression dictionary' if is_one_of_few)) -%}
    {%- endfor -%}
    {{ return(written) }}
{%- endmacro %}

{#- The marts stand in a file of their own, which is published. -#}
{% macro is_published(relation) -%}
    {{ return(relation.database != target.database) }}
{%- endmacro %}

{#- Else the model was edited since, and keeps no row: see scripts/mm/last_build.py. -#}
{% macro has_columns_of_the_model(table) -%}
    {%- set columns = adapter.get_columns_in_relation(table) | map(attribute='name') | list -%}
    {{ return(columns == get_columns_in_query(compiled_code)) }}
{%- endmacro %}
