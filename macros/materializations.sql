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
        {{ statement_that_makes(relation) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [relation]}) }}
{%- endmacro %}

{% macro statement_that_makes(relation) -%}
    {%- if relation.is_view -%}
        create or replace view {{ relation }} as (
            {{ compiled_code }}
        )
    {%- elif is_incremental() and has_columns_of_the_model(relation) -%}
        {#- beside the rows that its pre-hook left: see incremental.sql -#}
        insert into {{ relation }} by name (
            {{ compiled_code }}
        )
    {%- elif config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(compiled_code) }}
        create or replace table {{ relation }} {{ get_table_columns_and_constraints() }};
        insert into {{ relation }} by name (
            {{ compiled_code }}
        )
    {%- else -%}
        create or replace table {{ relation }} as (
            {{ compiled_code }}
        )
    {%- endif -%}
{%- endmacro %}

{#- Else the model was edited since, and keeps no row: see scripts/mm/build/last_build.py. -#}
{% macro has_columns_of_the_model(table) -%}
    {{ return(get_columns_in_query('select * from ' ~ table) == get_columns_in_query(compiled_code)) }}
{%- endmacro %}
